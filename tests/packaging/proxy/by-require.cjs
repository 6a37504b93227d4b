// What a user with CommonJS writes: `require()` of ES modules works from Node 20.19 on.
'use strict';

const assert = require('node:assert/strict');
const { createProxy, Proxy } = require('@millpond/proxy');

void (async () => {
  const { proxy, port, close } = await createProxy({});
  assert.ok(proxy instanceof Proxy);
  assert.ok(port > 0);
  await close();
  console.log('require: ok');
})();
