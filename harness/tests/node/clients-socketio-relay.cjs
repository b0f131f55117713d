// Two stock clients exchange events through greenroom's server; a third is told why it is refused, and the call goes on.
"use strict";
const assert = require("node:assert");
const { io } = require("socket.io-client");

const client = (transports) => io("http://127.0.0.1:PORT", { forceNew: true, transports });
const next = (socket, event) => new Promise((done) => socket.once(event, done));

(async () => {
  const first = client(["websocket"]);
  await next(first, "connect");
  const second = client(["polling", "websocket"]);
  await next(second, "connect");

  const offer = { type: "offer", offer: { type: "offer", sdp: "v=0\r\n" } };
  first.emit("signalingMessage", offer);
  assert.deepStrictEqual(await next(second, "signalingMessage"), offer);

  const third = client(["websocket"]);
  const refused = next(third, "error");
  const gone = next(third, "disconnect");
  assert.strictEqual((await refused).code, "call-full");
  assert.strictEqual(await gone, "io server disconnect");

  const answer = { type: "answer", answer: { type: "answer", sdp: "v=0\r\n" } };
  second.emit("signalingMessage", answer);
  assert.deepStrictEqual(await next(first, "signalingMessage"), answer, "and nothing of the third");
  for (const socket of [first, second, third]) socket.close();
  console.log("all well");
})();
