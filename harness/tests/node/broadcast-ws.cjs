// Part 28's server as it should be: an offer goes to the viewer that waits for one, answers and viewers' candidates to the
// broadcaster, and who waits is announced.
"use strict";
const { Server } = require("ws");

let broadcaster;
let offered;
const viewers = new Set();
let waiting = [];
const toBroadcaster = (text) => broadcaster?.send(text);
const handlers = {
  broadcaster(socket) {
    broadcaster = socket;
    waiting = [...viewers];
    waiting.forEach(() => toBroadcaster('{"type":"new-viewer"}'));
  },
  viewer(socket) {
    viewers.add(socket);
    waiting.push(socket);
    toBroadcaster('{"type":"new-viewer"}');
  },
  offer(_, text) {
    offered = waiting.shift() ?? offered;
    offered?.send(text);
  },
  answer: (_, text) => toBroadcaster(text),
  candidate: (socket, text) => (socket === broadcaster ? offered?.send(text) : toBroadcaster(text)),
};
new Server({ port: 0, host: "127.0.0.1" }).on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (frame) => {
    const text = frame.toString();
    handlers[JSON.parse(text).type]?.(socket, text);
  });
  socket.on("close", () => {
    viewers.delete(socket);
    waiting = waiting.filter((viewer) => viewer !== socket);
    if (socket === broadcaster) broadcaster = undefined;
  });
});
