//! Services whose worker is a compartment: calls, descriptors, deaths and pools.
//!
//! A program of its own, since the zygote is forked first thing in it. The last line is
//! `N passed, N failed, N skipped`.

use std::{
    fs::{self, File},
    io::Read,
    process::ExitCode,
    time::Duration,
};

use capsicum_channel::Handle;
use capsicum_rs::Rights;
use sandbox_spawn::{CallError, Compartment, End, Inside, Pool, Worker, pool::Started, service};

#[service]
trait Reader {
    /// How many bytes a file has.
    fn length(&mut self, file: Handle<File>) -> Result<u64, String>;
    /// Whether what has a path can be opened.
    fn opens(&mut self, path: String) -> bool;
    /// How many calls of this there were.
    fn count(&mut self) -> u32;
    fn abort(&mut self);
    fn panic(&mut self);
}

#[derive(Default)]
struct Plain {
    calls: u32,
}

impl Reader for Plain {
    fn length(&mut self, file: Handle<File>) -> Result<u64, String> {
        let mut content = Vec::new();
        let mut file: &File = &file;
        file.read_to_end(&mut content).map_err(|error| error.to_string())?;
        Ok(content.len() as u64)
    }

    fn opens(&mut self, path: String) -> bool {
        File::open(path).is_ok()
    }

    fn count(&mut self) -> u32 {
        self.calls += 1;
        self.calls
    }

    fn abort(&mut self) {
        std::process::abort();
    }

    fn panic(&mut self) {
        panic!("as it was asked to");
    }
}

fn reader(inside: Inside) -> u8 {
    u8::from(ReaderServer::serve(inside.into_frames(), Plain::default()).is_err())
}

const WORKERS: &[Worker] = &[Worker::new("reader", reader)];

fn spawn() -> Result<Compartment, sandbox_spawn::Error> {
    Compartment::builder("reader").ceiling(Rights::READ | Rights::FSTAT).spawn()
}

type Case = (&'static str, fn() -> Outcome);
type Outcome = Result<(), Box<dyn std::error::Error>>;

fn ensure(condition: bool, otherwise: impl Into<String>) -> Outcome {
    if condition { Ok(()) } else { Err(otherwise.into().into()) }
}

fn calls() -> Outcome {
    let reader: ReaderClient = spawn()?.client();
    let path = std::env::current_exe()?;
    let expected = fs::metadata(&path)?.len();
    let length = reader.length(File::open(&path)?.into())?;
    ensure(length == expected, format!("{length} bytes, not {expected}"))?;
    ensure(!reader.opens("/etc/passwd".to_owned())?, "the worker opens paths")?;
    ensure(reader.count()? == 1 && reader.clone().count()? == 2, "the worker keeps no state")
}

fn death() -> Outcome {
    let reader: ReaderClient = spawn()?.client();
    match reader.panic() {
        Err(CallError::Panicked { message, .. }) if message.contains("as it was asked to") => {}
        other => return Err(format!("a panic: {other:?}").into()),
    }
    ensure(reader.count()? == 1, "it did not go on after a panic")?;
    match reader.within(Duration::from_secs(20)).abort() {
        Err(CallError::Died { compartment, end: End::Signalled { signal: libc::SIGABRT, .. } }) => {
            ensure(*compartment == *"reader", compartment.to_string())?;
        }
        other => return Err(format!("an abort: {other:?}").into()),
    }
    match reader.count() {
        Err(CallError::Died { .. } | CallError::Closed { .. }) => Ok(()),
        other => Err(format!("after its death: {other:?}").into()),
    }
}

fn pool() -> Outcome {
    let pool: Pool<ReaderClient> = Pool::builder(|| Ok(Started::from(spawn()?)))
        .workers(2)
        .deadline(Duration::from_secs(20))
        .back_off(Duration::from_millis(1), Duration::from_millis(10))
        .build();
    let died = pool.call(ReaderClient::abort);
    ensure(died.is_err(), "an aborted call was answered")?;
    for _ in 0..20 {
        let opened = pool.call(|reader| reader.opens("/etc/passwd".to_owned()))?;
        ensure(!opened, "the worker opens paths")?;
    }
    Ok(())
}

fn main() -> ExitCode {
    if let Err(error) = sandbox_spawn::init(WORKERS) {
        eprintln!("services: {error}");
        return ExitCode::FAILURE;
    }
    let cases: [Case; 3] = [
        ("a_service_in_a_compartment_answers_with_its_grants_alone", calls),
        ("a_service_that_dies_says_how", death),
        ("a_pool_of_compartments_goes_on_after_a_death", pool),
    ];
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in cases {
        match case() {
            Ok(()) => {
                println!("test {name} ... ok");
                passed += 1;
            }
            Err(error) => {
                println!("test {name} ... FAILED\n    {error}");
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed, 0 skipped");
    ExitCode::from(u8::from(failed != 0))
}
