// A server for part 27's pages, which have none: events go to the host or the viewer that they name, stamped with their
// sender (docs/dialects.md, `socketio-rooms`).
"use strict";
const io = require("socket.io")(0);

let host;
const viewers = new Set();
io.on("connection", (socket) => {
  socket.on("host-join", () => {
    host = socket;
    for (const viewer of viewers) host.emit("viewer-join", viewer);
  });
  socket.on("viewer-join", () => {
    viewers.add(socket.id);
    host?.emit("viewer-join", socket.id);
  });
  socket.on("offer", ({ viewerId, offer }) => io.to(viewerId).emit("offer", { hostId: socket.id, offer }));
  socket.on("answer", ({ answer }) => host?.emit("answer", { viewerId: socket.id, answer }));
  socket.on("candidate", ({ viewerId, candidate }) => {
    if (socket === host) io.to(viewerId).emit("candidate", { hostId: socket.id, candidate });
    else host?.emit("candidate", { viewerId: socket.id, candidate });
  });
  socket.on("disconnect", () => {
    if (viewers.delete(socket.id)) host?.emit("viewer-left", socket.id);
    if (socket === host) host = undefined;
  });
});
