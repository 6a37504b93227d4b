// Instrumentation has to be there before what it instruments, so everything else is imported afterwards.
import { context, trace } from '@opentelemetry/api';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { createRequire } from 'node:module';

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();
registerInstrumentations({ instrumentations: [new PgInstrumentation({ requireParentSpan: false })] });

const require = createRequire(import.meta.url);
const pg = require('pg'); // instrumentation sees what is required
const { accounts, fails, gone, same, urlFor } = await import('./lib.mjs');

await accounts('otel_account');
exporter.reset();
const pool = new pg.Pool({ connectionString: urlFor('opentelemetry'), max: 2 });
const tracer = trace.getTracer('application');
const spans = () => exporter.getFinishedSpans();
const named = (name) => spans().filter((span) => span.name.startsWith(name));

const request = async (name, work) => tracer.startActiveSpan(name, async (span) => {
  try {
    return await work();
  } finally {
    span.end();
  }
});

await request('a request', () => pool.query('SELECT name FROM otel_account WHERE id = $1', [2]));
same('has a span of the pool', named('pg-pool.connect').length, 1);
same('has a span of the query', named('pg.query:SELECT').length, 1);
const [outer] = named('a request');
same('all of one trace', spans().every((span) => span.spanContext().traceId === outer.spanContext().traceId), true);

exporter.reset();
await Promise.all(Array.from({ length: 10 }, (_, index) => request(`request ${index}`, async () => {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT pg_sleep(0.005)');
    await client.query('COMMIT');
  } finally {
    client.release();
  }
})));
const ours = spans().filter((span) => span.name.startsWith('request '));
const families = ours.map((parent) => spans().filter((span) => {
  // Some of them had to open a connection besides.
  return span !== parent && span.name !== 'pg.connect' && span.spanContext().traceId === parent.spanContext().traceId;
}).length);
same('keeps ten requests apart, though they waited for each other', families, Array.from({ length: 10 }, () => 4));

exporter.reset();
await fails('passes on an error of the server', pool.query('SELECT nonsense'), { code: '42703' });
same('and marks its span', named('pg.query:SELECT')[0].status.code, 2);
same('has callbacks in the context of their caller', await request('callbacks', () => new Promise((resolve, reject) => {
  const before = trace.getSpan(context.active());
  pool.connect((error, client, done) => {
    if (error) return reject(error);
    const inside = trace.getSpan(context.active());
    client.query('SELECT 1', () => {
      done();
      resolve(inside?.spanContext().traceId === before.spanContext().traceId);
    });
  });
})), true);

await pool.end();
await gone('opentelemetry');
await provider.shutdown();
