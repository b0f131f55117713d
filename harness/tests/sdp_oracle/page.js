// What a page does for the oracle: offers, answers, and verdicts on descriptions. A fresh peer connection for each.
(() => {
  // Candidates of relays only, and no relay: nothing is gathered, so no socket is opened.
  const peer = () => new RTCPeerConnection({iceTransportPolicy: 'relay'});

  const prefer = (transceiver, name) => {
    const codecs = RTCRtpReceiver.getCapabilities('video').codecs;
    const wanted = [`video/${name}`, 'video/rtx'];
    transceiver.setCodecPreferences(codecs.filter(({mimeType}) => wanted.includes(mimeType)));
  };

  const offering = async ({audio, video, data}) => {
    const pc = peer();
    if (audio) pc.addTransceiver('audio', {direction: 'sendonly'});
    prefer(pc.addTransceiver('video', {direction: 'sendonly'}), video);
    if (data) pc.createDataChannel('greenroom');
    await pc.setLocalDescription();
    return pc;
  };

  const refusal = (step, error) => ({error: `${step}: ${error.name}: ${error.message}`});

  const answer = async (sdp) => {
    const pc = peer();
    let step = 'setRemoteDescription';
    try {
      await pc.setRemoteDescription({type: 'offer', sdp});
      step = 'setLocalDescription';
      await pc.setLocalDescription();
      return {sdp: pc.localDescription.sdp};
    } catch (error) {
      return refusal(step, error);
    } finally {
      pc.close();
    }
  };

  const answered = async (shape, sdp) => {
    const pc = await offering(shape);
    try {
      await pc.setRemoteDescription({type: 'answer', sdp});
      return {};
    } catch (error) {
      return refusal('setRemoteDescription', error);
    } finally {
      pc.close();
    }
  };

  const each = async (all, judge) => {
    const verdicts = [];
    for (const one of all) verdicts.push(await judge(one));
    return verdicts;
  };

  return {
    offers: (shapes) => each(shapes, async (shape) => {
      const pc = await offering(shape);
      const sdp = pc.localDescription.sdp;
      pc.close();
      return sdp;
    }),
    // Each is an offer to answer, or an answer to what was offered in a shape.
    judge: (all) => each(all, ({shape, sdp}) => (shape ? answered(shape, sdp) : answer(sdp))),
  };
})()
