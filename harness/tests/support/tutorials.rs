//! The tutorials that people build from, read out of their documents when a test runs.
//!
//! Owns where in a document a program stands. The documents are not ours and are not here: `GREENROOM_TUTORIALS` names the
//! folder that has them. What a test changes in a program is its own business, but for the port.

use std::path::{Path, PathBuf};

use super::peers::skipped;
use super::site::Site;

/// The folder with the documents.
const FOLDER: &str = "GREENROOM_TUTORIALS";

/// The folder with the documents.
pub(crate) struct Tutorials(PathBuf);

/// What a reader has after following a tutorial.
pub(crate) struct Tutorial {
    server: String,
    html: String,
    /// The name that the page has for its script.
    script_name: &'static str,
    script: String,
    /// Where its server listens, and its page looks for it.
    port: &'static str,
}

impl Tutorials {
    /// Them, or none if nobody has said where they are.
    pub(crate) fn find() -> Option<Self> {
        let folder = std::env::var_os(FOLDER);
        if folder.is_none() {
            skipped(&format!(
                "{FOLDER} does not name the folder with the tutorials' documents"
            ));
        }
        folder.map(|folder| Self(folder.into()))
    }

    /// Two peers over `{type, sdp}` and `{type, candidate}`. The tutorial makes an offer in 6.1 and never says when: here a
    /// button does, and the function that 6.1 sends with is the obvious one.
    pub(crate) fn part_22(&self) -> Tutorial {
        let document = Document::read(&self.0, "part-22-peer-to-peer.md");
        let (page, call) = (document.code("9.1"), document.code("6.1"));
        let (local, remote) = (document.code("4.1"), document.code("8.1"));
        Tutorial {
            server: document.code("9.2"),
            html: format!(
                "{local}{remote}<button id=\"call\">Call</button><script src=\"script.js\"></script>\n"
            ),
            script_name: "script.js",
            script: format!(
                "{page}\nconst sendSignalingMessage = (message) => socket.send(JSON.stringify(message));\n\
                 document.getElementById(\"call\").onclick = () => {{\n{call}}};\n"
            ),
            port: "8080",
        }
    }

    /// Two peers over `{sdp: {type, sdp}}` and `{candidate}`; a button starts.
    pub(crate) fn level_4(&self) -> Tutorial {
        let document = Document::read(&self.0, "level-4-websocket-signaling.md");
        Tutorial {
            server: document.code("Step 1"),
            html: document.code("Step 3"),
            script_name: "main.js",
            script: document.code("Step 4"),
            port: "8080",
        }
    }

    /// A host's script and a viewer's, over Socket.IO. The tutorial gives neither a server nor the pages, and calls
    /// `startBroadcast` nowhere.
    pub(crate) fn part_27(&self) -> [String; 2] {
        let document = Document::read(&self.0, "part-27-broadcast.md");
        let (host, left) = (document.code("2.1"), document.code("3. Handling"));
        [
            format!("{host}\n{left}\nstartBroadcast();\n"),
            document.code("2.2"),
        ]
    }

    /// A broadcaster and its viewers, with the chat of chapter 5 in both programs.
    pub(crate) fn part_28(&self) -> Tutorial {
        let document = Document::read(&self.0, "part-28-platform.md");
        let script = format!("{}\n{}", document.code("4.2"), document.code("5.2"));
        Tutorial {
            script,
            ..self.part_28_before_the_chat()
        }
    }

    /// The same server, with the page as it is before the chat is added to it.
    pub(crate) fn part_28_before_the_chat(&self) -> Tutorial {
        let document = Document::read(&self.0, "part-28-platform.md");
        Tutorial {
            server: format!("{}\n{}", document.code("3.2"), document.code("5.1")),
            html: document.code("4.1"),
            script_name: "script.js",
            script: document.code("4.2"),
            port: "3000",
        }
    }

    /// Two peers over Socket.IO. The tutorial gives the page's script in pieces, in this order; what it leaves out is the
    /// page itself and the connection to the server.
    pub(crate) fn socketio(&self) -> Tutorial {
        let document = Document::read(&self.0, "socketio-signaling.md");
        let pieces = [
            "2.Variable",
            "3. Initializing",
            "4. Set Up",
            "5. Adding",
            "Displaying Local",
            "6. Create",
            "Displaying Remote",
            "7. Handling",
            "8.  Initiate",
            "Set Local",
            "9. Handler",
        ];
        let script: String = pieces.iter().map(|heading| document.code(heading)).collect();
        Tutorial {
            server: document.code("1 . Server"),
            html: "<video id=\"localVideo\" autoplay playsinline muted></video>\n\
                   <video id=\"remoteVideo\" autoplay playsinline></video>\n\
                   <script src=\"/socket.io/socket.io.js\"></script>\n\
                   <script type=\"module\" src=\"script.js\"></script>\n"
                .to_owned(),
            script_name: "script.js",
            script: format!("const socket = io(\"http://localhost:3000\");\n{script}"),
            port: "3000",
        }
    }
}

impl Tutorial {
    /// The server's program, on another port; 0 is any.
    pub(crate) fn server(&self, port: u16) -> String {
        assert!(
            self.server.contains(self.port),
            "no port {} in the server",
            self.port
        );
        self.server.replace(self.port, &port.to_string())
    }

    /// The page.
    pub(crate) fn html(&self) -> &str {
        &self.html
    }

    /// The page's script, for a server on another port.
    pub(crate) fn script(&self, port: u16) -> String {
        let there = |port: &str| format!("localhost:{port}");
        self.script.replace(&there(self.port), &there(&port.to_string()))
    }

    /// Serves the page, for a server on another port.
    pub(crate) async fn site(&self, port: u16) -> Site {
        let path = format!("/{}", self.script_name);
        Site::serve(&[("/", &self.html), (&path, &self.script(port))]).await
    }
}

/// A document's code, by the heading above it.
struct Document {
    path: PathBuf,
    chapters: Vec<Chapter>,
}

/// All code under one heading.
struct Chapter {
    heading: String,
    code: String,
}

impl Document {
    fn read(folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self {
            chapters: chapters(&text),
            path,
        }
    }

    /// The code under the heading that contains `heading`, of which there has to be one.
    fn code(&self, heading: &str) -> String {
        let is_meant = |chapter: &&Chapter| chapter.heading.contains(heading);
        let found: Vec<_> = self.chapters.iter().filter(is_meant).collect();
        let [chapter] = found[..] else {
            let headings: Vec<_> = self.chapters.iter().map(|chapter| &chapter.heading).collect();
            let path = self.path.display();
            panic!("{path} has code under {headings:#?}; expected one with {heading:?}");
        };
        chapter.code.clone()
    }
}

/// The code of a document. A fence that nobody closed ends at the next heading: some documents were pasted together.
fn chapters(text: &str) -> Vec<Chapter> {
    let (mut chapters, mut heading, mut is_code) = (Vec::<Chapter>::new(), "", false);
    for line in text.lines() {
        let title = line.trim_start_matches('#');
        if title.len() < line.len() && title.starts_with(' ') {
            (heading, is_code) = (title.trim(), false);
        } else if let Some(language) = line.strip_prefix("```") {
            // A fence with a language opens, wherever it stands.
            is_code = !is_code || !language.trim().is_empty();
        } else if is_code {
            if chapters.last().is_none_or(|chapter| chapter.heading != heading) {
                chapters.push(Chapter {
                    heading: heading.to_owned(),
                    code: String::new(),
                });
            }
            if let Some(chapter) = chapters.last_mut() {
                chapter.code.push_str(line);
                chapter.code.push('\n');
            }
        }
    }
    chapters
}
