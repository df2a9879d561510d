//! The events of the worker: notifications of new objects, and the steps of the state machine that executes runs and jobs.

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use stores::{StoreError, runs::Lease};
use uuid::Uuid;

use crate::{
    execute::{Executed, Worker},
    incoming::Arrival,
};

/// An event that the worker is called with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// A notification from S3.
    Objects {
        /// The new objects.
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    /// A step of the state machine for a run.
    Step(StepCall),
    /// A step of the state machine for a job.
    Job(JobCall),
}

/// A call to make the file of a job.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct JobCall {
    pub step: JobStep,
    pub job_id: Uuid,
}

/// A step of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStep {
    /// Makes the file.
    Make,
}

/// A call for a step of the state machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StepCall {
    pub step: Step,
    pub run_id: Uuid,
    /// Lease owner that made the plan, for a run in parts.
    #[serde(default)]
    pub owner: Option<Uuid>,
    /// Number of the part, from 0, for the step `process`.
    #[serde(default)]
    pub part: Option<usize>,
}

/// A step of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Takes the run through all phases.
    Execute,
    /// Decides whether one worker executes the run or several workers process parts of it, and cuts the parts.
    Plan,
    /// Processes a part.
    Process,
    /// Makes the results from the parts.
    Finish,
    /// Fails a run whose execution did not end, unless another worker has it, so that clients waiting for the run get an answer.
    GiveUp,
}

/// A new object, as S3 reports it.
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
    /// The new object. Its key is encoded as in an HTML form: a plus sign is a space. In a bucket without versions, the sequencer
    /// identifies the write of a key.
    fn arrival(&self) -> Arrival {
        let NotifiedObject { key, e_tag, version_id, sequencer } = &self.s3.object;
        let key = percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned();
        Arrival { key, version: version_id.as_ref().unwrap_or(sequencer).clone(), etag: e_tag.trim_matches('"').to_owned() }
    }
}

/// Result of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Handled {
    /// Runs were created.
    Created {
        /// Ids of the created runs.
        created: Vec<Uuid>,
    },
    /// A step ended.
    Step {
        run_id: Uuid,
        /// Result of the step.
        ended: Executed,
    },
    /// A job ended.
    Job {
        job_id: Uuid,
        /// Result of the job.
        ended: Executed,
    },
    /// The plan was made.
    Planned {
        run_id: Uuid,
        #[serde(flatten)]
        next: NextStep,
    },
    /// A part is done.
    Processed {
        run_id: Uuid,
        /// Number of the part, from 0.
        part: usize,
    },
}

/// What the state machine does after the plan of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "next", rename_all = "snake_case")]
pub enum NextStep {
    /// One worker executes the run.
    Execute,
    /// Several workers process the parts of the run, then one worker finishes it.
    Process {
        /// Lease owner that made the plan. Every step names it.
        owner: Uuid,
        parts: Vec<PartRef>,
    },
    /// Nothing remains to do.
    Done {
        /// Result of the run.
        ended: Executed,
    },
}

/// Reference to a part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PartRef {
    /// Number of the part, from 0.
    pub part: usize,
}

impl Worker {
    /// Handles an event.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB or S3 does not answer. The caller may send the same event again.
    pub async fn handle(&self, event: Event) -> Result<Handled, StoreError> {
        match event {
            Event::Objects { records } => {
                let mut created = Vec::new();
                for record in records {
                    created.extend(Box::pin(self.receive(&record.arrival())).await?);
                }
                Ok(Handled::Created { created })
            }
            Event::Step(call) => self.step(call).await,
            Event::Job(JobCall { step: JobStep::Make, job_id }) => {
                Ok(Handled::Job { job_id, ended: Box::pin(self.make(job_id)).await? })
            }
        }
    }

    // The futures of the steps are boxed: without that, the future of this function would be as large as the largest of them.
    async fn step(&self, call: StepCall) -> Result<Handled, StoreError> {
        let StepCall { step, run_id, owner, part } = call;
        let absent = |name: &str| StoreError::Damaged(format!("the step names no {name}"));
        let lease = || owner.map(|owner| Lease::in_parts(run_id, owner)).ok_or_else(|| absent("owner"));
        let ended = match step {
            Step::Execute => Box::pin(self.execute(run_id)).await?,
            Step::Plan => return Ok(Handled::Planned { run_id, next: Box::pin(self.plan(run_id)).await? }),
            Step::Process => {
                let part = part.ok_or_else(|| absent("part"))?;
                if Box::pin(self.process(&lease()?, part)).await? {
                    return Ok(Handled::Processed { run_id, part });
                }
                Executed::NotOurs
            }
            Step::Finish => Box::pin(self.finish(&lease()?)).await?,
            Step::GiveUp => Box::pin(self.give_up(run_id, owner)).await?,
        };
        Ok(Handled::Step { run_id, ended })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        let (run_id, owner) = (Uuid::nil(), Uuid::max());
        let event = |json: &str| serde_json::from_str::<Event>(json).unwrap();
        let call = StepCall { step: Step::Execute, run_id, owner: None, part: None };
        assert_eq!(event(&format!(r#"{{"step":"execute","run_id":"{run_id}"}}"#)), Event::Step(call.clone()));
        let process = format!(r#"{{"step":"process","run_id":"{run_id}","owner":"{owner}","part":3}}"#);
        let call = StepCall { step: Step::Process, owner: Some(owner), part: Some(3), ..call };
        assert_eq!(event(&process), Event::Step(call.clone()));
        let give_up = format!(r#"{{"step":"give_up","run_id":"{run_id}","owner":null}}"#);
        assert_eq!(event(&give_up), Event::Step(StepCall { step: Step::GiveUp, owner: None, part: None, ..call }));
    }

    #[test]
    fn a_job_is_a_step_of_its_own() {
        let event: Event = serde_json::from_str(&format!(r#"{{"step":"make","job_id":"{}"}}"#, Uuid::nil())).unwrap();
        assert_eq!(event, Event::Job(JobCall { step: JobStep::Make, job_id: Uuid::nil() }));
        let handled = Handled::Job { job_id: Uuid::nil(), ended: Executed::Completed };
        assert_eq!(serde_json::to_value(handled).unwrap(), json!({ "job_id": Uuid::nil(), "ended": "completed" }));
    }

    #[test]
    fn the_answer_to_a_plan_says_what_comes_next() {
        let run_id = Uuid::nil();
        let answer = |next| serde_json::to_value(Handled::Planned { run_id, next }).unwrap();
        assert_eq!(answer(NextStep::Execute), json!({ "run_id": run_id, "next": "execute" }));
        let parts = vec![PartRef { part: 0 }, PartRef { part: 1 }];
        let expected =
            json!({ "run_id": run_id, "next": "process", "owner": Uuid::max(), "parts": [{ "part": 0 }, { "part": 1 }] });
        assert_eq!(answer(NextStep::Process { owner: Uuid::max(), parts }), expected);
        let done = NextStep::Done { ended: Executed::NotOurs };
        assert_eq!(answer(done), json!({ "run_id": run_id, "next": "done", "ended": "not_ours" }));
        let processed = Handled::Processed { run_id, part: 1 };
        assert_eq!(serde_json::to_value(processed).unwrap(), json!({ "run_id": run_id, "part": 1 }));
    }
}
