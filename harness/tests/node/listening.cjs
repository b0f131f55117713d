// Loaded before a script: says on which port it listens, so that a script may ask for any (0) and need not say it itself.
"use strict";
const { Server } = require("node:net");

const { listen } = Server.prototype;
Server.prototype.listen = function (...args) {
  this.once("listening", () => console.log(`listening on port ${this.address().port}`));
  return listen.apply(this, args);
};
