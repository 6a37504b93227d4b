// Throughput against the size of the pool: points that gather while somebody moves the slider or tries all sizes, and what they say.
import { count, duration, percent } from '../drawing/format.ts';
import type { Curve, Point } from './page/wire.ts';

/** As good as the best: less than this share below it is chance. */
const AS_GOOD = 0.95;
/** Worth saying that it is worse. */
const WORSE = 0.85;
const DEARER = 1.3;
const MANY = 0.2;
const FEW = 3;
const BUSY = 0.9;
/** Of the machine, used by others: the page itself takes some of it. */
const MUCH = 0.3;

export class Points {
  #load = '';
  #points = new Map<number, Point>();
  #before: readonly Point[] = [];

  /** From here on it is this load. Points of another one step back. */
  under(load: string): void {
    if (load === this.#load) return;
    if (this.#points.size > 0) this.#before = this.#sorted();
    this.#points = new Map();
    this.#load = load;
  }

  add(point: Point): void {
    this.#points.set(point.size, point);
  }

  curve(cores: number): Curve {
    const points = this.#sorted();
    return { points, before: this.#before, words: wordsOf(points, cores) };
  }

  #sorted(): Point[] {
    return [...this.#points.values()].sort((a, b) => a.size - b.size);
  }
}

/** The smallest that is as good as the best. */
export function bestOf(points: readonly Point[]): Point | undefined {
  const most = Math.max(...points.map(({ perSecond }) => perSecond));
  return points.find(({ perSecond }) => perSecond >= most * AS_GOOD);
}

/** What one sees, chosen by the figures. Nothing is said of figures that do not say it. */
export function wordsOf(points: readonly Point[], cores: number): string[] {
  const words = comparison(points, cores);
  const others = Math.max(...points.map(({ othersCores }) => othersCores ?? 0));
  if (words.length > 0 && others > cores * MUCH) {
    words.push(`Other programs used up to ${others.toFixed(1)} of ${cores === 1 ? '1 core' : `${cores} cores`} meanwhile: ` +
      'the figures are worth less for it. Try again when the machine is quiet.');
  }
  return words;
}

function comparison(points: readonly Point[], cores: number): string[] {
  const best = bestOf(points);
  const largest = points.at(-1);
  if (best === undefined || largest === undefined || points.length < 2) return [];
  const words = [`${connections(best.size)}: ${count(best.perSecond)} answers a second, 99 % within ${duration(best.p99)}.`];
  if (largest.size === best.size) {
    words.push(best.borrowed < best.size * WORSE
      ? `Only ${count(best.borrowed)} of them were in use: so many users there are.`
      : 'It is the largest that was tried: the best may be larger still.');
    return words;
  }
  const figures = `${count(largest.perSecond)} a second, 99 % within ${duration(largest.p99)}`;
  const slower = largest.perSecond < best.perSecond * WORSE;
  const judged = slower ? `${percent(largest.perSecond / best.perSecond)} of that` : 'no more for all the effort';
  words.push(`${connections(largest.size)}: ${figures}: ${judged}.`);
  words.push(...whyOf(best, largest, cores));
  return words;
}

function whyOf(best: Point, largest: Point, cores: number): string[] {
  const words = [`The same users wait either way. With ${best.size} most wait in the pool (${count(best.waiting)} of them), where a ` +
    `place in the queue costs nothing; with ${largest.size} they have a connection, and wait all the same.`];
  if (best.cpuMs !== null && largest.cpuMs !== null && largest.cpuMs > best.cpuMs * DEARER) {
    words.push(`One answer costs the database ${duration(largest.cpuMs)} of processor instead of ${duration(best.cpuMs)}: ` +
      `${largest.size} processes take turns on ${cores === 1 ? '1 core' : `${cores} cores`}, and taking turns costs.`);
  }
  const { running, locked } = largest;
  if (running !== null && locked !== null && locked >= FEW && locked > (running + locked) * MANY) {
    words.push(`${count(locked)} of its ${count(running + locked)} busy sessions wait for one another's rows.`);
  }
  if (largest.clientBusy > BUSY) {
    words.push('The program that asks runs on the same cores, and comes to its turn too late as well.');
  }
  return words;
}

function connections(size: number): string {
  return size === 1 ? '1 connection' : `${size} connections`;
}
