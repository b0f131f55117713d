//! A session description as lines, for edits.
//!
//! Owns taking it apart and putting it together. It understands no attribute but a=mid and a=group:BUNDLE.

/// The session's lines, and those of each m-section.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) session: Vec<String>,
    pub(crate) sections: Vec<Vec<String>>,
}

impl Description {
    pub(crate) fn read(text: &str) -> Self {
        let mut session = Vec::new();
        let mut sections: Vec<Vec<String>> = Vec::new();
        for line in text.lines() {
            if line.starts_with("m=") {
                sections.push(Vec::new());
            }
            sections.last_mut().unwrap_or(&mut session).push(line.to_owned());
        }
        Self { session, sections }
    }

    pub(crate) fn text(&self) -> String {
        let lines = self.session.iter().chain(self.sections.iter().flatten());
        lines.map(|line| format!("{line}\r\n")).collect()
    }

    /// Whether there is more than one section.
    pub(crate) fn has_several(&self) -> bool {
        self.sections.len() > 1
    }

    fn parts(&mut self) -> impl Iterator<Item = &mut Vec<String>> {
        std::iter::once(&mut self.session).chain(&mut self.sections)
    }

    /// Takes away every line that begins like this.
    pub(crate) fn remove(&mut self, begins: &str) {
        self.parts()
            .for_each(|part| part.retain(|line| !line.starts_with(begins)));
    }

    /// Rewrites every line that begins like this.
    pub(crate) fn rewrite(&mut self, begins: &str, with: impl Fn(&str) -> String) {
        for line in self.parts().flatten().filter(|line| line.starts_with(begins)) {
            *line = with(line);
        }
    }

    /// Puts this in the place of every line that begins like that.
    pub(crate) fn replace(&mut self, begins: &str, with: &str) {
        self.rewrite(begins, |_| with.to_owned());
    }

    /// Adds a line to every section.
    pub(crate) fn add(&mut self, line: &str) {
        self.sections
            .iter_mut()
            .for_each(|section| section.push(line.to_owned()));
    }

    /// Adds a line to every section that has one that begins like this.
    pub(crate) fn add_beside(&mut self, begins: &str, line: &str) {
        for section in &mut self.sections {
            if section.iter().any(|line| line.starts_with(begins)) {
                section.push(line.to_owned());
            }
        }
    }

    /// Takes the lines that begin like this from the sections, and gives the first of them to the session. Does nothing
    /// where the session has one already.
    pub(crate) fn lift(&mut self, begins: &str) {
        if self.session.iter().any(|line| line.starts_with(begins)) {
            return;
        }
        let mut lines = self.sections.iter().flatten();
        let line = lines.find(|line| line.starts_with(begins)).cloned();
        self.remove(begins);
        self.session.extend(line);
    }

    /// Edits the last section, where it is not the only one.
    pub(crate) fn last_of_several(&mut self, edit: impl Fn(&mut Vec<String>)) {
        if self.has_several() {
            self.last(edit);
        }
    }

    /// Edits the last section.
    pub(crate) fn last(&mut self, edit: impl Fn(&mut Vec<String>)) {
        self.sections.last_mut().into_iter().for_each(edit);
    }

    /// The mid of a section, empty without one.
    pub(crate) fn mid(&self, index: usize) -> String {
        let lines = self.sections.get(index).into_iter().flatten();
        let mid = lines.filter_map(|line| line.strip_prefix("a=mid:")).next();
        mid.unwrap_or_default().to_owned()
    }

    /// Where the last section is.
    pub(crate) fn last_index(&self) -> usize {
        self.sections.len().saturating_sub(1)
    }

    /// Rewrites the mids of the BUNDLE group.
    pub(crate) fn regroup(&mut self, edit: impl Fn(Vec<String>) -> Vec<String>) {
        self.rewrite("a=group:BUNDLE", |line| {
            let mids = line.split_whitespace().skip(1).map(str::to_owned).collect();
            let words = std::iter::once("a=group:BUNDLE".to_owned()).chain(edit(mids));
            words.collect::<Vec<_>>().join(" ")
        });
    }

    /// Takes a mid out of the BUNDLE group.
    pub(crate) fn ungroup(&mut self, mid: &str) {
        self.regroup(|mids| mids.into_iter().filter(|member| member != mid).collect());
    }

    /// Gives a section port 0.
    pub(crate) fn reject(&mut self, index: usize) {
        if let Some(line) = self
            .sections
            .get_mut(index)
            .and_then(|section| section.first_mut())
        {
            *line = with_word(line, 1, "0");
        }
    }
}

/// A line with another word in this place.
pub(crate) fn with_word(line: &str, at: usize, word: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    if let Some(old) = words.get_mut(at) {
        *old = word;
    }
    words.join(" ")
}

/// A line with another value after its colon.
pub(crate) fn with_value(line: &str, edit: impl Fn(&str) -> String) -> String {
    line.split_once(':').map_or_else(
        || line.to_owned(),
        |(name, value)| format!("{name}:{}", edit(value)),
    )
}
