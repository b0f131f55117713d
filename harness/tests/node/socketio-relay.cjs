// The server of the Socket.IO tutorial: `signalingMessage` to everybody else.
"use strict";
require("socket.io")(0).on("connection", (socket) => {
  socket.on("signalingMessage", (message) => socket.broadcast.emit("signalingMessage", message));
});
