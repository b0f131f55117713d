// A broadcaster and a viewer, clients of ws: the answer finds the broadcaster, and what is no JSON kills nobody.
"use strict";
const assert = require("node:assert");
const { once } = require("node:events");
const { WebSocket } = require("ws");

const client = async () => {
  const socket = new WebSocket("ws://127.0.0.1:PORT/");
  await once(socket, "open");
  return socket;
};
const say = (socket, message) => socket.send(JSON.stringify(message));
const hear = async (socket) => {
  const [message, isBinary] = await once(socket, "message");
  assert.strictEqual(isBinary, false);
  return JSON.parse(message.toString());
};
const sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:ours\r\n";

(async () => {
  const viewer = await client();
  say(viewer, { type: "viewer" });
  const rude = await client();
  rude.send("this is no JSON");

  const broadcaster = await client();
  const announced = hear(broadcaster);
  say(broadcaster, { type: "broadcaster" });
  assert.deepStrictEqual(await announced, { type: "new-viewer" }, "the viewer that came first");
  const offered = hear(viewer);
  say(broadcaster, { type: "offer", offer: { type: "offer", sdp } });
  assert.strictEqual((await offered).type, "offer");
  const answered = hear(broadcaster);
  say(viewer, { type: "answer", answer: { type: "answer", sdp } });
  assert.strictEqual((await answered).type, "answer");
  for (const socket of [viewer, rude, broadcaster]) socket.close();
  console.log("all well");
})();
