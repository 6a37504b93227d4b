// The tables of what is held: heap per idle resource, and resources that carry many leases at once.
import type { BenchContext, Section } from '../../chapter.ts';
import { target } from '../../harness/statistics.ts';
import { MILLPOND } from '../contenders.ts';
import { CALLERS, type SharingMeasured } from '../scenarios/sharing.ts';
import { cold, medianOf, roundsNote, rowsOf, take } from './taking.ts';

export async function heapSection(context: BenchContext): Promise<Section> {
  const result = await take<number>({ context, section: 'heap', budgetMs: 15_000, warmUp: cold });
  return {
    id: 'heap', title: 'Heap per idle resource',
    note: `5000 resources, all idle: what the pool keeps for each, the resource itself left out (pg-pool: its client, an emitter, is in).`
      + roundsNote(result),
    columns: [{ id: 'bytes', head: 'heap', unit: 'B', about: 'bytes on the heap for one idle resource', better: 'less' }],
    rows: rowsOf(result, { values: (measured) => ({ bytes: measured }) }),
    charts: [{ kind: 'bars', title: 'Heap per idle resource', subtitle: 'bytes', column: 'bytes' }],
    targets: target('heap per idle resource, bytes, at most 300', 'atMost', medianOf(result, MILLPOND, (bytes) => bytes), 300),
  };
}

export async function sharingSection(context: BenchContext): Promise<Section> {
  const result = await take<SharingMeasured>({ context, section: 'sharing', budgetMs: 10_000 });
  return {
    id: 'sharing', title: `${CALLERS} callers on one resource that carries them all`,
    note: `As an HTTP/2 or a pipelined connection: one resource with sharing ${CALLERS}, beside ${CALLERS} resources with one lease each. `
      + `The other pools lend a resource to one caller only.${roundsNote(result)}`,
    columns: [
      { id: 'shared', head: 'one resource, CPU', unit: 'ns', about: 'CPU per acquire and release', better: 'less' },
      { id: 'own', head: `${CALLERS} resources, CPU`, unit: 'ns', about: 'CPU per acquire and release', better: 'less' },
    ],
    rows: rowsOf(result, {
      values: (measured) => ({ shared: measured.map(({ shared }) => shared.cpuNs), own: measured.map(({ own }) => own.cpuNs) }),
    }),
    targets: [],
  };
}
