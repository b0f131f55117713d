//! `greenroom doctor`: a battery of small runs and rude guests against any signaling server, or a server and bots for any
//! client; and a card that says how it fared, line by line, with the cause and what to do.
//!
//! Owns the cards and which questions a server is asked. What a run found is the checker's to say; it is only quoted here.

mod battery;
#[cfg(feature = "server")]
mod client;
mod examine;
mod guest;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::bot::access::Access;
use crate::dialect::DialectChoice;
use crate::run::RunError;
use crate::scenario::ExecSpec;

pub use battery::Question;
#[cfg(feature = "server")]
pub use client::{ClientDoctor, ClientDoctorError, ClientQuestion, ClientRole};

/// What a card asks: [`Question`] of servers, [`ClientQuestion`] of clients. It is displayed by its name.
pub trait Asked: Copy + PartialEq + std::fmt::Display {
    /// The question in words.
    fn asks(self) -> &'static str;
}

impl Asked for Question {
    fn asks(self) -> &'static str {
        Self::asks(self)
    }
}

/// Examines a signaling server.
#[derive(Clone, Debug)]
pub struct Doctor {
    url: String,
    dialect: DialectChoice,
    access: Access,
    exec: Option<ExecSpec>,
    questions: Vec<Question>,
    output_dir: Option<PathBuf>,
}

/// How a server fared, or a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card<Q = Question> {
    /// Whose card it is, without secrets; of a client where it was served.
    pub url: String,
    /// What it was spoken to in.
    pub dialect: DialectChoice,
    /// The answers, in the order in which they were asked.
    pub lines: Vec<CardLine<Q>>,
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardLine<Q = Question> {
    /// The question.
    pub question: Q,
    /// The answer.
    pub answer: Answer,
    /// Why, in one sentence; of a healthy line what was seen.
    pub cause: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The trace, which `greenroom trace diagram` draws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<PathBuf>,
}

/// How a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// As it should be.
    Healthy,
    /// Something is wrong with the server, or the client.
    Sick,
    /// greenroom itself was the bottleneck, or was ended, or nobody came: it says nothing.
    Unclear,
    /// It makes no sense here.
    NotAsked,
}

impl<Q: Asked> Card<Q> {
    /// Whether nothing is wrong, and something was asked.
    pub fn is_green(&self) -> bool {
        let asked = self.lines.iter().filter(|line| line.answer != Answer::NotAsked);
        let mut answers = asked.map(|line| line.answer).peekable();
        answers.peek().is_some() && answers.all(|answer| answer == Answer::Healthy)
    }

    /// The answer to one question.
    pub fn line(&self, question: Q) -> Option<&CardLine<Q>> {
        self.lines.iter().find(|line| line.question == question)
    }
}

impl Doctor {
    /// For the server at this URL, in greenroom's own protocol, with every question.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            dialect: DialectChoice::default(),
            access: Access::default(),
            exec: None,
            questions: Question::ALL.to_vec(),
            output_dir: None,
        }
    }

    /// What the server speaks. Default: native.
    #[must_use]
    pub fn dialect(mut self, dialect: impl Into<DialectChoice>) -> Self {
        self.dialect = dialect.into();
        self
    }

    /// What gets the bots in.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Starts the server with this command, anew for every question: one that it died of is not held against the next.
    #[must_use]
    pub fn exec(mut self, exec: ExecSpec) -> Self {
        self.exec = Some(exec);
        self
    }

    /// Asks only these. Default: all.
    #[must_use]
    pub fn only(mut self, questions: impl IntoIterator<Item = Question>) -> Self {
        self.questions = questions.into_iter().collect();
        self
    }

    /// Keeps a folder for each question in here, with its report and its trace. Default: nothing is kept.
    #[must_use]
    pub fn output_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.output_dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Asks one question after the other; `on_line` sees each answer as it comes.
    ///
    /// # Errors
    ///
    /// When the URL, the access or the command cannot be used at all.
    pub async fn examine(self, mut on_line: impl FnMut(&CardLine)) -> Result<Card, RunError> {
        let mut lines = Vec::new();
        for question in self.questions.clone() {
            let line = self.ask(question).await?;
            on_line(&line);
            lines.push(line);
        }
        let url = crate::bot::dial::for_logs(&self.url);
        Ok(Card {
            url,
            dialect: self.dialect,
            lines,
        })
    }
}
