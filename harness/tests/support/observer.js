// Runs in a page before the page's own scripts: remembers what they do, and reads pictures out of their videos.
//
// `observer.when(condition)` is a promise for a condition to become true, looked at whenever something happens here.
"use strict";
globalThis.observer = (() => {
  /** Peer connections, in the order in which the page made them. */
  const connections = [];
  /** Messages that the page sent over WebSockets, and those that came. */
  const sent = [];
  const received = [];
  /** What its scripts threw, as text. */
  const failures = [];

  let waiting = [];
  const look = () => {
    waiting = waiting.filter(({ condition, resolve }) => {
      if (!condition()) return true;
      resolve();
      return false;
    });
  };
  const when = (condition) => new Promise((resolve) => {
    waiting.push({ condition, resolve });
    look();
  });

  globalThis.RTCPeerConnection = class RTCPeerConnection extends globalThis.RTCPeerConnection {
    constructor(...args) {
      super(...args);
      connections.push(this);
      for (const event of ["connectionstatechange", "icegatheringstatechange", "signalingstatechange", "track"]) {
        this.addEventListener(event, look);
      }
    }
  };

  /** What the page wants to send while it is held back: `observer.hold()` until `observer.release()`. */
  let held = null;
  const hold = () => {
    held = [];
  };
  const release = () => {
    const sends = held;
    held = null;
    for (const send of sends) send();
  };

  globalThis.WebSocket = class WebSocket extends globalThis.WebSocket {
    constructor(...args) {
      super(...args);
      this.addEventListener("message", (event) => received.push(event.data));
      // Looked at when the page's own listeners have run.
      for (const event of ["open", "message", "close"]) this.addEventListener(event, () => setTimeout(look));
    }

    send(data) {
      if (held) {
        held.push(() => this.send(data));
        return;
      }
      super.send(data);
      sent.push(data);
      look();
    }
  };

  const failed = (why) => {
    failures.push(String(why));
    look();
  };
  addEventListener("error", (event) => failed(event.error ?? event.message));
  addEventListener("unhandledrejection", (event) => failed(event.reason));
  // A video's events do not bubble, and are heard on the way down.
  for (const event of ["loadedmetadata", "resize", "playing"]) addEventListener(event, look, true);

  /** The next picture of a video: its size, and its RGBA bytes as the characters of a string. */
  const picture = (selector) => new Promise((resolve) => {
    const video = document.querySelector(selector);
    video.requestVideoFrameCallback(() => {
      const [width, height] = [video.videoWidth, video.videoHeight];
      const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
      context.drawImage(video, 0, 0);
      const rgba = new TextDecoder("x-user-defined").decode(context.getImageData(0, 0, width, height).data);
      resolve({ width, height, rgba });
    });
  });

  return { connections, sent, received, failures, when, hold, release, picture };
})();
