// A host and two viewers, all stock clients, negotiate through greenroom's server by the ids that it gives.
"use strict";
const assert = require("node:assert");
const { io } = require("socket.io-client");

const client = (query) => io("http://127.0.0.1:PORT", { forceNew: true, query });
const next = (socket, event) => new Promise((done) => socket.once(event, done));
const description = (type) => ({ type, sdp: "v=0\r\n" });

(async () => {
  // One says it in an event, the others where they connect, as part 27's pages can.
  const host = client({});
  await next(host, "connect");
  host.emit("host-join");
  const viewers = [];
  for (let number = 0; number < 2; number++) {
    const announced = next(host, "viewer-join");
    const viewer = client({ role: "viewer" });
    const viewerId = await announced;
    viewers.push({ viewer, viewerId });
    const offered = next(viewer, "offer");
    host.emit("offer", { viewerId, offer: description("offer") });
    const { hostId, offer } = await offered;
    assert.deepStrictEqual(offer, description("offer"));
    const answered = next(host, "answer");
    viewer.emit("answer", { hostId, answer: description("answer") });
    assert.deepStrictEqual(await answered, { viewerId, answer: description("answer") });
    const trickled = next(viewer, "candidate");
    host.emit("candidate", { viewerId, candidate: { candidate: "candidate:1", sdpMid: "0" } });
    assert.strictEqual((await trickled).candidate.candidate, "candidate:1");
    const back = next(host, "candidate");
    viewer.emit("candidate", { hostId, candidate: { candidate: "candidate:2", sdpMid: "0" } });
    assert.strictEqual((await back).viewerId, viewerId);
  }

  const second = client({});
  await next(second, "connect");
  const refused = next(second, "error");
  second.emit("host-join");
  assert.ok((await refused).code, "there is a host already");

  const left = next(host, "viewer-left");
  viewers[0].viewer.close();
  assert.strictEqual(await left, viewers[0].viewerId);
  for (const socket of [host, second, viewers[1].viewer]) socket.close();
  console.log("all well");
})();
