//! The default notifier: writes messages into a folder instead of sending them. A file is there complete or not
//! at all, and a message that is written again takes its own place.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::json;

use super::mail::{self, Sender};
use super::{Answer, Message, Notifier, Outcome};

/// Writes e-mails as `.eml` files.
pub struct FileMail {
    /// The folder.
    pub folder: PathBuf,
    /// Whom they come from.
    pub sender: Sender,
}

/// Writes text messages as `.sms.json` files: `id`, `to`, `from`, `body`.
pub struct FileSms {
    /// The folder.
    pub folder: PathBuf,
}

#[async_trait]
impl Notifier for FileMail {
    async fn send(&self, message: &Message) -> Answer {
        match mail::build(message, &self.sender) {
            Ok(mail) => write(&self.folder, &format!("{}.eml", message.id), mail.formatted()).await,
            Err(error) => Answer::new(Outcome::Refused, error.to_string()),
        }
    }
}

#[async_trait]
impl Notifier for FileSms {
    async fn send(&self, message: &Message) -> Answer {
        let text = json!({
            "id": message.id,
            "to": message.to,
            "from": message.from_name,
            "body": message.text.as_str(),
        });
        write(&self.folder, &format!("{}.sms.json", message.id), format!("{text:#}\n").into_bytes()).await
    }
}

async fn write(folder: &Path, name: &str, content: Vec<u8>) -> Answer {
    let (folder, name) = (folder.to_owned(), name.to_owned());
    match tokio::task::spawn_blocking(move || write_now(&folder, &name, &content)).await {
        Ok(Ok(())) => Answer::new(Outcome::Accepted, "written to the folder of messages"),
        Ok(Err(error)) => {
            tracing::error!(%error, "a message could not be written");
            Answer::new(Outcome::Later(None), "the folder of messages cannot be written")
        }
        Err(_) => Answer::new(Outcome::Later(None), "writing was interrupted"),
    }
}

fn write_now(folder: &Path, name: &str, content: &[u8]) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let unfinished = folder.join(format!(".{name}.part"));
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, folder.join(name))?;
    // The name is durable with its folder.
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::model::Timestamp;

    fn message(text: &str) -> Message {
        Message {
            id: "evt_1".to_owned(),
            at: Timestamp::from_millis(0),
            to: "+4915123456789".to_owned(),
            to_name: None,
            from_name: Some("Shop".to_owned()),
            reply_to: None,
            subject: String::new(),
            text: Zeroizing::new(text.to_owned()),
            html: Zeroizing::default(),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_message_is_one_file_however_often_it_is_written() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("outbox");
        let sms = FileSms { folder: folder.clone() };
        for text in ["first", "second"] {
            assert_eq!(sms.send(&message(text)).await.outcome, Outcome::Accepted);
        }
        assert_eq!(names(&folder), ["evt_1.sms.json"]);
        let file: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("evt_1.sms.json")).unwrap()).unwrap();
        assert_eq!(file["body"], "second");
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_tried_again() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("taken");
        std::fs::write(&file, "").unwrap();
        let answer = FileSms { folder: file }.send(&message("text")).await;
        assert_eq!(answer.outcome, Outcome::Later(None));
    }
}
