// Part 22's and level 4's server as it should be: every text frame to everybody else, as text.
"use strict";
const { Server, WebSocket } = require("ws");

const server = new Server({ port: 0, host: "127.0.0.1" });
server.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (message, isBinary) => {
    for (const client of server.clients) {
      if (client !== socket && client.readyState === WebSocket.OPEN) client.send(message, { binary: isBinary });
    }
  });
});
