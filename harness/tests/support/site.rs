//! A web server for a page under test, as `python -m http.server` is for the reader of a tutorial.
//!
//! Owns the listener and its task, which end with the test. Its address is `http://localhost`, which browsers take for
//! secure: elsewhere a page is refused a camera.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A web server.
pub(crate) struct Site {
    port: u16,
    serving: JoinHandle<()>,
}

impl Site {
    /// Serves texts by path; those whose path ends with `.js` are scripts, the others are pages.
    pub(crate) async fn serve(files: &[(&str, &str)]) -> Self {
        let mut router = Router::new();
        for &(path, text) in files {
            let kind = match path.ends_with(".js") {
                true => "text/javascript; charset=utf-8",
                false => "text/html; charset=utf-8",
            };
            let text = text.to_owned();
            router = router.route(path, get(move || async move { ([(CONTENT_TYPE, kind)], text) }));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { port, serving }
    }

    /// Where its page `/` is.
    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}/", self.port)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
