// Two clients of ws hear each other through greenroom's server, as text; a third is shown the door.
"use strict";
const assert = require("node:assert");
const { once } = require("node:events");
const { WebSocket } = require("ws");

const client = () => new WebSocket("ws://127.0.0.1:PORT/");

(async () => {
  const [first, second] = [client(), client()];
  await Promise.all([once(first, "open"), once(second, "open")]);
  const third = client();
  const [code, reason] = await once(third, "close");
  assert.strictEqual(code, 1008);
  assert.match(reason.toString(), /^call-full/);
  for (const [from, to] of [[first, second], [second, first]]) {
    const heard = once(to, "message");
    from.send('{"type":"offer","sdp":{}}');
    const [message, isBinary] = await heard;
    assert.strictEqual(isBinary, false);
    assert.strictEqual(message.toString(), '{"type":"offer","sdp":{}}');
  }
  first.close();
  second.close();
  console.log("all well");
})();
