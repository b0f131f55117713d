//! The flags that get bots into a server that does not let everybody in.
//!
//! Owns their names and help; every command that connects has them.

use std::path::PathBuf;

use clap::Args;

use crate::bot::access::Access;

#[derive(Debug, Args)]
#[command(next_help_heading = "Getting in")]
pub(super) struct AccessArgs {
    /// Header of the WebSocket handshake, such as 'X-Room: stage'; repeatable, and never printed
    #[arg(
        long,
        env = "GREENROOM_HEADER",
        hide_env_values = true,
        value_name = "NAME: VALUE"
    )]
    header: Vec<String>,

    /// Origin of the page that a browser would come from, such as https://example.org
    #[arg(long, env = "GREENROOM_ORIGIN", hide_env_values = true, value_name = "ORIGIN")]
    origin: Option<String>,

    /// File whose first line is a bearer token
    #[arg(
        long,
        env = "GREENROOM_TOKEN_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    token_file: Option<PathBuf>,

    /// PEM file with authorities to trust beside those of the machine, for wss://
    #[arg(long, env = "GREENROOM_CA", value_name = "FILE.pem")]
    ca: Option<PathBuf>,

    /// Trust any certificate; whoever is in between can read and change everything
    #[arg(long, env = "GREENROOM_INSECURE")]
    insecure: bool,
}

impl AccessArgs {
    /// # Errors
    ///
    /// When a header or the token's file cannot be used, with the reason.
    pub(super) fn access(&self) -> Result<Access, String> {
        let mut access = Access::default();
        for header in &self.header {
            // Not by the parser of flags, whose errors repeat what was given.
            let (name, value) = parse_header(header)?;
            access = access.header(name, value);
        }
        if let Some(origin) = &self.origin {
            access = access.origin(origin);
        }
        if let Some(file) = &self.token_file {
            let text =
                std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            let token = text.lines().next().unwrap_or_default().trim();
            if token.is_empty() {
                return Err(format!(
                    "{}: its first line is empty; it should be the token",
                    file.display()
                ));
            }
            access = access.bearer(token);
        }
        if let Some(ca) = &self.ca {
            access = access.ca(ca);
        }
        if self.insecure {
            access = access.insecure();
        }
        Ok(access)
    }
}

/// The value may be secret, so no error repeats it.
fn parse_header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("--header expects 'NAME: VALUE', such as 'X-Room: stage'".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_a_name_and_a_value_that_may_have_colons() {
        assert_eq!(
            parse_header("Authorization: Basic a:b"),
            Ok(("Authorization".to_owned(), "Basic a:b".to_owned()))
        );
        assert!(parse_header("no header").is_err());
        assert!(parse_header(": value").is_err());
    }
}
