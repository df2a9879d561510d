//! What the worker is called with: objects that appeared, and the steps of the state machine that sees runs through.

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use shared::stores::StoreError;
use uuid::Uuid;

use crate::{
    execute::{Executed, Worker},
    incoming::Arrival,
};

/// A call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// A notification of S3.
    Objects {
        /// The objects that appeared.
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    /// A step of the state machine.
    Step {
        /// Which one.
        step: Step,
        /// The run.
        run_id: Uuid,
    },
}

/// A step of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Takes the run through all phases.
    Execute,
    /// Ends a run whose execution did not come to an end: whoever waits for it is told.
    GiveUp,
}

/// An object that appeared, as S3 tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Record {
    s3: Notification,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Notification {
    object: NotifiedObject,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NotifiedObject {
    key: String,
    e_tag: String,
    version_id: Option<String>,
    #[serde(default)]
    sequencer: String,
}

impl Record {
    /// The object. Its key comes as in a form: a plus sign is a space. A bucket without versions counts the writes of a key.
    fn arrival(&self) -> Arrival {
        let NotifiedObject { key, e_tag, version_id, sequencer } = &self.s3.object;
        let key = percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned();
        Arrival { key, version: version_id.as_ref().unwrap_or(sequencer).clone(), etag: e_tag.trim_matches('"').to_owned() }
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Handled {
    /// The runs that were created.
    Created {
        /// Their ids.
        created: Vec<Uuid>,
    },
    /// How the run's step ended.
    Step {
        /// The run.
        run_id: Uuid,
        /// How it ended.
        ended: Executed,
    },
}

impl Worker {
    /// Does what a call asks for.
    ///
    /// # Errors
    /// A store does not answer. The same call may be made again.
    pub async fn handle(&self, event: Event) -> Result<Handled, StoreError> {
        match event {
            Event::Objects { records } => {
                let mut created = Vec::new();
                for record in records {
                    created.extend(self.receive(&record.arrival()).await?);
                }
                Ok(Handled::Created { created })
            }
            Event::Step { step: Step::Execute, run_id } => Ok(Handled::Step { run_id, ended: self.execute(run_id).await? }),
            Event::Step { step: Step::GiveUp, run_id } => {
                let given_up = self.runs.give_up(run_id, self.clock.now()).await?;
                let ended = if given_up { Executed::Failed } else { Executed::NotOurs };
                Ok(Handled::Step { run_id, ended })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_names_the_object_and_which_write_it_was() {
        let object = r#"{"key":"inputs/incoming/a+b%2Bc%C3%A9.csv","size":3,"eTag":"\"e\"","sequencer":"0A1"}"#;
        let event = format!(r#"{{"Records":[{{"eventName":"ObjectCreated:Put","s3":{{"bucket":{{}},"object":{object}}}}}]}}"#);
        let Event::Objects { records } = serde_json::from_str(&event).unwrap() else { panic!("{event}") };
        let expected = Arrival { key: "inputs/incoming/a b+cé.csv".to_owned(), version: "0A1".to_owned(), etag: "e".to_owned() };
        assert_eq!(records[0].arrival(), expected);
        let versioned = event.replace(r#""sequencer""#, r#""versionId":"v1","sequencer""#);
        let Event::Objects { records } = serde_json::from_str(&versioned).unwrap() else { panic!("{versioned}") };
        assert_eq!(records[0].arrival().version, "v1");
    }

    #[test]
    fn a_step_names_its_run() {
        let event: Event = serde_json::from_str(&format!(r#"{{"step":"give_up","run_id":"{}"}}"#, Uuid::nil())).unwrap();
        assert_eq!(event, Event::Step { step: Step::GiveUp, run_id: Uuid::nil() });
    }
}
