//! The signaling server that a run brings: greenroom's own over TCP or in memory, or the caller's in memory.
//!
//! Owns its life: start, crash, restart, and how it ended if nobody asked it to. Judges none of it.

use std::fmt;
use std::future::Future;
#[cfg(feature = "server")]
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use greenroom_signaling::DialectName;
#[cfg(feature = "server")]
use greenroom_signaling::ServedDialect;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::memory::{Exchange, MemoryListener};
use super::{RunError, Target};
use crate::bot::access::Access;
use crate::bot::dial::{ByteStream, Dialer};
use crate::trace::Trace;

/// How a server in memory is called.
const IN_MEMORY: &str = "ws://in-memory.greenroom/";

type Serving = Pin<Box<dyn Future<Output = String> + Send>>;

/// A server of the caller's, to be started on a listener as often as it is needed.
#[derive(Clone)]
pub(crate) struct CallersServer(Arc<dyn Fn(MemoryListener) -> Serving + Send + Sync>);

impl CallersServer {
    pub(crate) fn new<F>(serve: impl Fn(MemoryListener) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output: fmt::Debug> + Send + 'static,
    {
        let serve = Arc::new(serve);
        Self(Arc::new(move |listener| {
            let serve = Arc::clone(&serve);
            // The function itself is called within, so that a panic in it is the server's too.
            Box::pin(async move { format!("it returned {:?}", serve(listener).await) })
        }))
    }
}

impl fmt::Debug for CallersServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallersServer")
    }
}

/// Where the bots will meet, checked and bound but not yet served.
pub(super) enum Meeting {
    /// At a server that is there.
    Theirs(Dialer),
    /// At one that the run brings.
    Brought(Kind, Dialer),
}

/// Which server a run brings.
#[derive(Debug)]
pub(super) enum Kind {
    /// greenroom's over TCP; bound until it is first started.
    #[cfg(feature = "server")]
    Tcp(ServedDialect, SocketAddr, Mutex<Option<std::net::TcpListener>>),
    /// greenroom's in memory.
    #[cfg(feature = "sim")]
    Memory(ServedDialect, Exchange),
    /// The caller's in memory.
    Callers(Exchange, CallersServer),
}

impl Meeting {
    /// # Errors
    ///
    /// When the URL is none, or there is nothing to listen on.
    pub(super) fn open(
        target: &Target,
        server: Option<CallersServer>,
        access: &Access,
        dialect: DialectName,
    ) -> Result<Self, RunError> {
        let brings = !matches!(target, Target::Url(_) | Target::Dialer(_));
        if *access != Access::default() && !matches!(target, Target::Url(_)) {
            return Err(RunError::Unsupported(
                "headers, a token, --ca and --insecure are for a server of yours; give its URL, or leave them out",
            ));
        }
        if let Some(server) = server {
            if !brings {
                return Err(RunError::Unsupported(
                    "a run against a URL or through a dialer has its server there; give a server of your own to \
                     Run::embedded() or Run::simulated()",
                ));
            }
            let exchange = Exchange::default();
            let dialer = in_memory(&exchange);
            return Ok(Self::Brought(Kind::Callers(exchange, server), dialer));
        }
        match target {
            Target::Url(url) if dialect.is_over_http() => Ok(Self::Theirs(Dialer::to_http(url, access)?)),
            Target::Url(url) => Ok(Self::Theirs(Dialer::to(url, access)?)),
            Target::Dialer(dialer) => Ok(Self::Theirs(dialer.clone())),
            #[cfg(feature = "sim")]
            Target::Simulated => {
                let exchange = Exchange::default();
                let dialer = in_memory(&exchange);
                let dialect = ServedDialect::try_from(dialect)?;
                Ok(Self::Brought(Kind::Memory(dialect, exchange), dialer))
            }
            #[cfg(feature = "server")]
            Target::Embedded => {
                let failed = |error: std::io::Error| RunError::Listen(error.to_string());
                let listener = bind(([127, 0, 0, 1], 0).into()).map_err(failed)?;
                let address = listener.local_addr().map_err(failed)?;
                let dialer = Dialer::to(&format!("ws://{address}/"), &Access::default())?;
                let dialect = ServedDialect::try_from(dialect)?;
                let kind = Kind::Tcp(dialect, address, Mutex::new(Some(listener)));
                Ok(Self::Brought(kind, dialer))
            }
        }
    }

    /// Whether bots and server meet in this process, so that nothing is to be looked up.
    pub(super) fn is_in_memory(&self) -> bool {
        match self {
            Self::Theirs(_) => false,
            #[cfg(feature = "server")]
            Self::Brought(Kind::Tcp(..), _) => false,
            Self::Brought(..) => true,
        }
    }

    /// Starts the server, if the run brings one.
    #[cfg_attr(
        not(feature = "server"),
        expect(unused_variables, reason = "only our own server is traced")
    )]
    pub(super) fn start(self, trace: &Trace) -> (Dialer, Option<BroughtServer>) {
        match self {
            Self::Theirs(dialer) => (dialer, None),
            Self::Brought(kind, dialer) => {
                let host = Arc::new(Host {
                    kind,
                    #[cfg(feature = "server")]
                    trace: trace.clone(),
                    running: Mutex::new(None),
                    ended: Arc::default(),
                });
                host.start();
                let restarting = JoinSet::new();
                (dialer, Some(BroughtServer { host, restarting }))
            }
        }
    }
}

fn in_memory(exchange: &Exchange) -> Dialer {
    let exchange = exchange.clone();
    Dialer::new(IN_MEMORY.to_owned(), move || {
        let exchange = exchange.clone();
        async move {
            let stream = exchange.dial().await?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        }
    })
}

#[cfg(feature = "server")]
fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The server that a run brought. It dies with the run, without a word.
#[derive(Debug)]
pub(super) struct BroughtServer {
    host: Arc<Host>,
    restarting: JoinSet<()>,
}

/// A server that ended by itself, greenroom's, the caller's or one under test.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) at: Instant,
    pub(super) why: String,
}

#[derive(Debug)]
struct Host {
    kind: Kind,
    #[cfg(feature = "server")]
    trace: Trace,
    running: Mutex<Option<Running>>,
    ended: Arc<Mutex<Option<Ended>>>,
}

/// A server that runs. Dropping it is a crash: nobody is told.
#[derive(Debug)]
struct Running {
    #[cfg(feature = "server")]
    own: Option<greenroom_signaling::Server>,
    task: JoinHandle<()>,
}

impl Running {
    fn crash(&mut self) {
        #[cfg(feature = "server")]
        if let Some(server) = &self.own {
            server.fall_silent();
        }
        self.task.abort();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.crash();
    }
}

impl BroughtServer {
    /// It vanishes, and every connection with it.
    pub(super) fn kill(&mut self) {
        self.restarting.abort_all();
        drop(self.host.kill());
    }

    /// It vanishes, and another one comes in its place after a while.
    pub(super) fn restart(&mut self, after: Duration) {
        self.restarting.abort_all();
        let before = self.host.kill();
        let host = Arc::clone(&self.host);
        self.restarting.spawn(async move {
            let back_at = Instant::now() + after;
            if let Some(mut before) = before {
                before.crash();
                // Its listener is closed when it has ended, and not before.
                let _ = (&mut before.task).await;
            }
            tokio::time::sleep_until(back_at).await;
            host.start();
        });
    }

    /// When and how it ended, if nobody asked it to.
    pub(super) fn ended(&self) -> Option<Ended> {
        lock(&self.host.ended).clone()
    }
}

impl Drop for BroughtServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host {
    /// Cuts every connection; gives what ran, which crashes when it is dropped.
    fn kill(&self) -> Option<Running> {
        let running = lock(&self.running).take();
        match &self.kind {
            #[cfg(feature = "server")]
            Kind::Tcp(..) => {}
            #[cfg(feature = "sim")]
            Kind::Memory(_, exchange) => exchange.cut(),
            Kind::Callers(exchange, _) => exchange.cut(),
        }
        running
    }

    fn start(&self) {
        let running = match &self.kind {
            #[cfg(feature = "server")]
            Kind::Tcp(dialect, address, bound) => self.start_tcp(*dialect, *address, bound),
            #[cfg(feature = "sim")]
            Kind::Memory(dialect, exchange) => Some(self.start_in_memory(*dialect, exchange)),
            Kind::Callers(exchange, server) => Some(self.start_callers(exchange, server)),
        };
        *lock(&self.running) = running;
    }

    #[cfg(feature = "server")]
    fn start_tcp(
        &self,
        dialect: ServedDialect,
        address: SocketAddr,
        bound: &Mutex<Option<std::net::TcpListener>>,
    ) -> Option<Running> {
        let taken = lock(bound).take();
        let listener = taken
            .map_or_else(|| bind(address), Ok)
            .and_then(tokio::net::TcpListener::from_std);
        match listener {
            Ok(listener) => {
                let server = self.own_server(dialect);
                let serving = server.clone();
                let task = tokio::spawn(async move {
                    serving.serve(listener).await;
                });
                Some(Running {
                    own: Some(server),
                    task,
                })
            }
            Err(error) => {
                // Somebody else took the port meanwhile.
                let why = format!("it cannot listen on {address} again: {error}");
                *lock(&self.ended) = Some(Ended {
                    at: Instant::now(),
                    why,
                });
                None
            }
        }
    }

    #[cfg(feature = "sim")]
    fn start_in_memory(&self, dialect: ServedDialect, exchange: &Exchange) -> Running {
        let server = self.own_server(dialect);
        let serving = server.clone();
        let mut listener = exchange.listen();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    biased;
                    Some(_) = connections.join_next() => {}
                    (stream, _) = listener.accept() => {
                        let serving = serving.clone();
                        connections.spawn(async move { serving.serve_connection(stream).await });
                    }
                }
            }
        });
        Running {
            own: Some(server),
            task,
        }
    }

    fn start_callers(&self, exchange: &Exchange, server: &CallersServer) -> Running {
        let serving = (server.0)(exchange.listen());
        let ended = Arc::clone(&self.ended);
        let task = tokio::spawn(async move {
            let mut tasks = JoinSet::new();
            tasks.spawn(serving);
            let why = match tasks.join_next().await {
                Some(Ok(why)) => why,
                Some(Err(error)) => panic_message(error),
                None => return,
            };
            let at = Instant::now();
            lock(&ended).get_or_insert(Ended { at, why });
        });
        Running {
            #[cfg(feature = "server")]
            own: None,
            task,
        }
    }

    #[cfg(feature = "server")]
    fn own_server(&self, dialect: ServedDialect) -> greenroom_signaling::Server {
        greenroom_signaling::Server::new(greenroom_signaling::ServerConfig {
            dialect,
            observer: Some(observer(self.trace.clone())),
            ..Default::default()
        })
    }
}

/// What a task panicked with.
fn panic_message(error: tokio::task::JoinError) -> String {
    let panic = match error.try_into_panic() {
        Ok(panic) => panic,
        Err(error) => return error.to_string(),
    };
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.map_or_else(|| "it panicked".to_owned(), |text| format!("it panicked: {text}"))
}

/// Puts the frames that greenroom's own server sees into the trace.
#[cfg(feature = "server")]
fn observer(trace: Trace) -> greenroom_signaling::FrameObserver {
    use crate::trace::{FrameWay, TraceKind};
    greenroom_signaling::FrameObserver::new(move |frame| {
        let peer = frame.peer.map_or_else(
            || format!("server/{}", frame.connection),
            |peer| format!("server/{peer}"),
        );
        let way = match frame.direction {
            greenroom_signaling::Direction::Sent => FrameWay::Out,
            greenroom_signaling::Direction::Received => FrameWay::In,
        };
        trace.at(frame.at, &peer, || TraceKind::frame(way, frame.text));
    })
}
