// Who may come in. By auth_type or the line of auth_hba_file that covers the client it is known how it has to prove who it is; by auth_file
// or auth_query, against what. Somebody who is not there is asked for a proof like everybody else, and fails as with a wrong one.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { findRule, mayBe, readHba, readIdent, type HbaMethod, type HbaRule, type IdentMaps } from '../config/hba.ts';
import type { Problem } from '../config/ini.ts';
import { fileNamed } from '../config/paths.ts';
import type { Values } from '../config/settings.ts';
import type { Verdict } from '../hooks.ts';
import type { Log } from '../log.ts';
import type { Database, Router } from '../routing/router.ts';
import type { Inbox } from '../wire/pg/inbox.ts';
import { parseSecret, type ScramSecret } from '../wire/pg/scram.ts';
import { AuthQuery, type AuthQueryInit, type Found } from './auth-query.ts';
import { askPassword, authenticate, type Shown } from './login.ts';
import type { Peer } from './peer.ts';
import { Refused } from './refused.ts';

export interface GateInit extends AuthQueryInit {
  readonly router: Router;
  readonly log: Log;
  /** Who alone can be at the other end of the Unix socket. */
  readonly localPeer: () => Peer | undefined;
}

/** Somebody who says who they are. */
export interface Claim {
  readonly socket: Socket;
  readonly inbox: Inbox;
  readonly user: string;
  /** `unix` for the Unix socket. */
  readonly address: string;
  readonly databaseName: string;
  readonly database: Database | undefined;
  /** It asks for the console, which has no servers of its own. */
  readonly console: boolean;
  /** It wants to replicate the whole server. */
  readonly replication: boolean;
  /** For the log. */
  readonly client: string;
  /** Somebody else decides first, to whom a password is of use. */
  readonly isDecided: boolean;
  /** What was decided. Rejects with {@link Refused} for a no. */
  readonly decide: (password: string | undefined) => Promise<Exclude<Verdict, false>>;
}

export interface Proof extends Shown {
  /** As whom they are in. */
  readonly user: string;
  /** What is known of their password. */
  readonly secret: string | undefined;
}

const NO_CERTIFICATE = 'certificate authentication failed';
const NO_PEER = 'unix socket login rejected';

export class Gate {
  readonly #init: GateInit;
  readonly #query: AuthQuery;
  readonly #mockKey = randomBytes(32);
  readonly #made = new Map<string, Promise<ScramSecret>>();
  #rules: readonly HbaRule[] = [];
  /** The files that the rules were read from. */
  #read = '';
  /** What auth_query has found last: somebody whom it does not find is asked for the same. */
  #queryFindsScram = true;

  constructor(init: GateInit) {
    this.#init = init;
    this.#query = new AuthQuery(init);
  }

  /** Reads auth_hba_file and auth_ident_file again. */
  reload(): void {
    const { values } = this.#init.router.config;
    const { log } = this.#init;
    this.#read = filesOf(values);
    this.#rules = [];
    if (values.auth_type !== 'hba') return;
    const read = (file: string): string => readFileSync(fileNamed(file, values.conffile), 'utf8');
    const open = (file: string, kind: string): string | undefined => {
      if (file === '') return undefined;
      try {
        return read(file);
      } catch (error) {
        log.error(`could not open ${kind} config file ${file}: ${error instanceof Error ? error.message : String(error)}`);
        return undefined;
      }
    };
    const tell = (problems: readonly Problem[]): void => {
      for (const { file, line, message } of problems) log.warn(`${file}:${line}: ${message}`);
    };
    const ident = open(values.auth_ident_file, 'ident');
    let maps: IdentMaps = new Map();
    if (ident !== undefined) {
      const found = readIdent(values.auth_ident_file, ident);
      maps = found.maps;
      tell(found.problems);
    }
    if (values.auth_hba_file === '') log.error('auth_type = hba without auth_hba_file: nobody can log in');
    const hba = open(values.auth_hba_file, 'hba');
    if (hba === undefined) return;
    const { rules, problems } = readHba(values.auth_hba_file, hba, { maps, peer: this.#init.localPeer() !== undefined, read });
    this.#rules = rules;
    tell(problems);
  }

  /** Has somebody prove that they are who they say. Rejects with {@link Refused}. */
  async prove(claim: Claim): Promise<Proof> {
    const { auth_type: authType } = this.#init.router.config.values;
    if (authType === 'any') {
      await claim.decide(undefined);
      return this.#anybody(claim);
    }
    const asked = this.#methodFor(authType, claim, claim.user);
    const password = claim.isDecided && asked.method === 'plain' ? await askPassword(claim.socket, claim.inbox) : undefined;
    const verdict = await claim.decide(password);
    if (verdict === true) return { user: claim.user, secret: password ?? this.#init.router.secret(claim.user) };
    const known = verdict === undefined ? await this.#find(claim, asked.method) : { user: claim.user, secret: verdict.secret };
    const { user, secret } = known ?? { user: claim.user, secret: undefined };
    // auth_query may spell the name in another way, and what counts is what is said of the one that it found.
    const { method, rule } = user === claim.user ? asked : this.#methodFor(authType, claim, user);
    switch (method) {
      case 'trust':
        if (known === undefined) throw new Refused('"trust" authentication failed', '28000');
        return { user, secret };
      case 'cert':
        this.#checkCertificate(claim, user, rule);
        if (known === undefined) throw new Refused(NO_CERTIFICATE, '28000');
        return { user, secret };
      case 'peer':
        this.#checkPeer(claim, user, rule);
        if (known === undefined) throw new Refused(NO_PEER, '28000');
        return { user, secret };
      default: {
        const { scram_iterations: scramIterations } = this.#init.router.config.values;
        const mockScram = this.#isAsked(claim) ? this.#queryFindsScram : this.#init.router.mostlyScram;
        const shown = await authenticate(claim.socket, claim.inbox, { user, secret }, {
          method, password, mockKey: this.#mockKey, mockScram, scramIterations, made: this.#made,
        });
        return { ...shown, user, secret: shown.password ?? secret };
      }
    }
  }

  /** Whoever it is, they are who the database logs in as. */
  #anybody({ database, databaseName, client }: Claim): Proof {
    // That there is no such database is for whoever let this one in to say.
    if (database === undefined) return { user: '', secret: undefined };
    const { user, password } = database.config;
    if (user === undefined) {
      this.#init.log.error(`${client} auth_type=any requires forced user: database "${databaseName}" has no user=`);
      throw new Refused('bouncer config error');
    }
    return { user, secret: password ?? this.#init.router.secret(user) };
  }

  #methodFor(authType: Exclude<Values['auth_type'], 'any'>, claim: Claim, user: string): {
    readonly method: Exclude<HbaMethod, 'reject'>; readonly rule: HbaRule | undefined;
  } {
    if (authType !== 'hba') return { method: authType, rule: undefined };
    const { address, socket, databaseName, replication } = claim;
    if (this.#read !== filesOf(this.#init.router.config.values)) this.reload();
    const tls = socket instanceof TLSSocket;
    const rule = findRule(this.#rules, { address, tls, database: databaseName, user, replication });
    if (rule === undefined) throw new Refused('no authentication method is found', '28000');
    if (rule.method === 'reject') throw new Refused('login rejected', '28000');
    return { method: rule.method, rule };
  }

  /** Whether auth_query is asked for this user. */
  #isAsked({ user, database, console: ofConsole }: Claim): boolean {
    const asks = database !== undefined || ofConsole;
    return asks && this.#init.router.secret(user) === undefined && this.#query.userFor(database) !== undefined;
  }

  async #find(claim: Claim, method: string): Promise<Found | undefined> {
    const { user, database, client } = claim;
    const { router, log } = this.#init;
    const listed = router.secret(user);
    if (listed !== undefined) return { user, secret: listed };
    let found: Found | undefined;
    if (this.#isAsked(claim)) {
      found = await this.#query.find({ user, database, client }, this.#query.userFor(database)!);
      if (found !== undefined && found.secret !== '') this.#queryFindsScram = parseSecret(found.secret) !== undefined;
      // Where nothing is to be proved there is nothing to hide behind.
      if (found === undefined && method === 'trust') throw new Refused('no such user', '28000');
    }
    if (found === undefined) log.info(`${client} no such user: ${user}`);
    return found;
  }

  #checkCertificate({ socket, client }: Claim, user: string, rule: HbaRule | undefined): void {
    const why = ((): string | undefined => {
      if (!(socket instanceof TLSSocket)) return 'TLS connection required';
      const name: unknown = socket.authorized ? socket.getPeerCertificate().subject?.CN : undefined;
      if (typeof name !== 'string') return 'TLS client certificate required';
      if (mayBe(name, user, rule?.map)) return undefined;
      return rule?.map === undefined ? 'TLS certificate name mismatch' : `ident map: ${rule.map.name} does not have a match`;
    })();
    if (why === undefined) return;
    this.#init.log.error(`${client} ${why}`);
    throw new Refused(NO_CERTIFICATE, '28000');
  }

  #checkPeer({ address, client }: Claim, user: string, rule: HbaRule | undefined): void {
    const peer = address === 'unix' ? this.#init.localPeer() : undefined;
    if (peer !== undefined && peer.name !== '' && mayBe(peer.name, user, rule?.map)) return;
    if (rule?.map !== undefined) this.#init.log.error(`${client} ident map ${rule.map.name} cannot be matched`);
    throw new Refused(NO_PEER, '28000');
  }
}

function filesOf(values: Values): string {
  return JSON.stringify([values.auth_type, values.auth_hba_file, values.auth_ident_file]);
}
