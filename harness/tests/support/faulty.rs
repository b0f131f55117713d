//! The tutorials' servers in small, with the faults that theirs have, one at a time: in memory or on a socket.
//!
//! Owns what such a server does to messages. It knows no WebRTC, and must not know who tests it.

use std::collections::{BTreeMap, VecDeque};

use futures_util::stream::{SplitSink, StreamExt as _};
use futures_util::{SinkExt as _, TryStreamExt as _};
use greenroom::MemoryListener;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Answers go to every viewer, back to their sender, and never to the broadcaster.
    AnswersToViewersOnly,
    /// What the broadcaster says goes to every viewer.
    OffersToAllViewers,
    /// A viewer that came before the broadcaster is never announced to it.
    ForgetsWhoCameFirst,
    /// It parses whatever comes, and catches nothing.
    DiesOfWhatIsNoJson,
    /// What comes as text goes out as binary.
    TextAsBinary,
    /// Anybody may speak in a call of two.
    LetsAThirdOneIn,
}

/// What it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One broadcaster and its viewers, as part 28's.
    Broadcast,
    /// Everything to everybody else, as those of part 22 and level 4.
    Relay,
}

/// Serves bots of a run, for [`greenroom::Run::server`].
pub(crate) async fn in_memory(mut listener: MemoryListener, kind: Kind, fault: Fault) {
    let (sender, incoming) = mpsc::channel(1);
    let accepting = async move {
        loop {
            let (stream, _) = listener.accept().await;
            let _ = sender.send(stream).await;
        }
    };
    tokio::select! {
        () = accepting => {}
        () = serve(incoming, kind, fault) => {}
    }
}

/// Serves whoever connects to a socket, until the test ends; gives its URL.
pub(crate) async fn on_a_socket(kind: Kind, fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (sender, incoming) = mpsc::channel(1);
        let accepting = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = sender.send(stream).await;
            }
        };
        tokio::select! {
            () = accepting => {}
            () = serve(incoming, kind, fault) => {}
        }
    });
    url
}

/// What a connection says, `None` at its end.
type Said = (u64, Option<Message>);

struct Server<S> {
    kind: Kind,
    fault: Fault,
    /// In the order in which they came.
    peers: BTreeMap<u64, SplitSink<WebSocketStream<S>, Message>>,
    broadcaster: Option<u64>,
    viewers: Vec<u64>,
    /// Those that have had no offer.
    waiting: VecDeque<u64>,
    /// Whom the last offer was for.
    offered: Option<u64>,
}

/// One task, so that nothing is at once and a panic ends everything.
async fn serve<S>(mut incoming: mpsc::Receiver<S>, kind: Kind, fault: Fault)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut server = Server {
        kind,
        fault,
        peers: BTreeMap::new(),
        broadcaster: None,
        viewers: Vec::new(),
        waiting: VecDeque::new(),
        offered: None,
    };
    // Ends with the server, and with it all connections.
    let mut reading = JoinSet::new();
    let (said, mut hears) = mpsc::channel::<Said>(64);
    let mut number = 0;
    loop {
        tokio::select! {
            biased; // the same seed has to give the same order
            Some((who, message)) = hears.recv() => server.hear(who, message).await,
            Some(stream) = incoming.recv() => {
                let Ok(socket) = accept_async(stream).await else { continue };
                let (sink, mut messages) = socket.split();
                number += 1;
                let (who, said) = (number, said.clone());
                server.came(who, sink).await;
                reading.spawn(async move {
                    while let Ok(Some(message)) = messages.try_next().await {
                        let _ = said.send((who, Some(message))).await;
                    }
                    let _ = said.send((who, None)).await;
                });
            }
            else => return,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Server<S> {
    async fn came(&mut self, who: u64, mut sink: SplitSink<WebSocketStream<S>, Message>) {
        let is_full = self.kind == Kind::Relay && self.peers.len() == 2;
        if is_full && self.fault != Fault::LetsAThirdOneIn {
            let _ = sink.close().await;
            return;
        }
        self.peers.insert(who, sink);
    }

    async fn hear(&mut self, who: u64, message: Option<Message>) {
        match message {
            None => self.left(who),
            Some(Message::Text(text)) if self.peers.contains_key(&who) => match self.kind {
                Kind::Relay => {
                    let others: Vec<u64> = self.peers.keys().copied().filter(|other| *other != who).collect();
                    self.send(&others, &text).await;
                }
                Kind::Broadcast => self.broadcast(who, &text).await,
            },
            Some(_) => {}
        }
    }

    async fn broadcast(&mut self, who: u64, text: &str) {
        let message: Value = match serde_json::from_str(text) {
            Ok(message) => message,
            Err(error) if self.fault == Fault::DiesOfWhatIsNoJson => panic!("{text:?} is no JSON: {error}"),
            Err(_) => return,
        };
        let to_broadcaster: Vec<u64> = self.broadcaster.into_iter().collect();
        let new_viewer = json!({"type": "new-viewer"}).to_string();
        match message["type"].as_str() {
            Some("broadcaster") if self.broadcaster.is_none() => {
                self.broadcaster = Some(who);
                self.waiting = self.viewers.iter().copied().collect();
                if self.fault != Fault::ForgetsWhoCameFirst {
                    for _ in 0..self.viewers.len() {
                        self.send(&[who], &new_viewer).await;
                    }
                }
            }
            Some("viewer") => {
                self.viewers.push(who);
                self.waiting.push_back(who);
                self.send(&to_broadcaster, &new_viewer).await;
            }
            Some("answer" | "candidate")
                if self.fault == Fault::AnswersToViewersOnly && self.viewers.contains(&who) =>
            {
                self.send(&self.viewers.clone(), text).await;
            }
            Some("answer" | "candidate") if self.viewers.contains(&who) => {
                self.send(&to_broadcaster, text).await;
            }
            Some(kind @ ("offer" | "candidate")) if self.broadcaster == Some(who) => {
                if kind == "offer" {
                    self.offered = self.waiting.pop_front().or(self.offered);
                }
                let offered: Vec<u64> = self.offered.into_iter().collect();
                let to = match self.fault {
                    Fault::OffersToAllViewers => self.viewers.clone(),
                    _ => offered,
                };
                self.send(&to, text).await;
            }
            _ => {}
        }
    }

    async fn send(&mut self, to: &[u64], text: &str) {
        let message = match self.fault {
            Fault::TextAsBinary => Message::binary(text.to_owned()),
            _ => Message::text(text),
        };
        for peer in to {
            if let Some(sink) = self.peers.get_mut(peer) {
                // Its end is told by its reader.
                let _ = sink.send(message.clone()).await;
            }
        }
    }

    fn left(&mut self, who: u64) {
        self.peers.remove(&who);
        self.viewers.retain(|viewer| *viewer != who);
        self.waiting.retain(|viewer| *viewer != who);
        if self.broadcaster == Some(who) {
            self.broadcaster = None;
        }
    }
}
