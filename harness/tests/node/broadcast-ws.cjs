// Part 28's server as it should be: what viewers say goes to the broadcaster, what it says to viewers, and who waits is
// announced.
"use strict";
const { Server } = require("ws");

let broadcaster;
const viewers = new Set();
new Server({ port: 0, host: "127.0.0.1" }).on("connection", (socket) => {
  const said = {
    broadcaster() {
      broadcaster = socket;
      for (const _ of viewers) socket.send('{"type":"new-viewer"}');
    },
    viewer() {
      viewers.add(socket);
      broadcaster?.send('{"type":"new-viewer"}');
    },
  };
  socket.on("error", () => {});
  socket.on("close", () => {
    viewers.delete(socket);
    if (socket === broadcaster) broadcaster = undefined;
  });
  socket.on("message", (frame) => {
    const text = frame.toString();
    const { type } = JSON.parse(text);
    if (said[type]) said[type]();
    else if (socket !== broadcaster) broadcaster?.send(text);
    else viewers.forEach((viewer) => viewer.send(text));
  });
});
