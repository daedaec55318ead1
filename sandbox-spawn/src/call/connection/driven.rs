//! A connection whose frames are received by a task of tokio.
//!
//! The task has the reader's role for as long as the connection lives. It also sends what is owed, and what is
//! left of a call that was sent in part, once there is room. Everything else is as with threads, and the calls are the same.

use std::{
    future::poll_fn,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Instant,
};

use capsicum_channel::{Error, Frame, FrameReceiver, Frames};
use serde::Serialize;
use tokio::{io::unix::AsyncFd, runtime::Handle, task::AbortHandle};

use super::{Connection, Dead, Failure, PATIENCE, Role, Why};
use crate::call::{CallError, Peer, waiter::Waiter, wire};

/// How many frames the task takes before it lets others run.
const TURN: usize = 32;

/// A connection and the task that receives for it, which ends with this.
#[derive(Debug)]
pub(crate) struct Driven {
    pub(crate) connection: Arc<Connection>,
    socket: Arc<AsyncFd<OwnedFd>>,
    driver: AbortHandle,
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Ends the connection when its task ends, which may be with the runtime: nobody else receives.
struct Ends(Weak<Connection>);

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(connection) = self.0.upgrade() {
            connection.lock().die(Dead::Closed);
        }
    }
}

fn system(operation: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::System { operation, source }
}

fn closed() -> Failure {
    Failure(Why::Dead(Dead::Closed))
}

impl Driven {
    pub(crate) fn new(frames: Frames, peer: Arc<dyn Peer>) -> Result<Self, Error> {
        let runtime = Handle::try_current()
            .map_err(|error| system("looking for tokio's runtime")(io::Error::other(error)))?;
        // Tokio waits for a descriptor of its own; what is sent and received is by the other one.
        let socket = frames.as_fd().try_clone_to_owned();
        let socket = socket.map_err(system("fcntl(F_DUPFD_CLOEXEC)"))?;
        #[allow(deprecated, reason = "unsound for what may close its descriptor; this owns it")]
        let socket = Arc::new(AsyncFd::new(socket).map_err(system("epoll_ctl"))?);
        let connection = Arc::new(Connection::new(frames, peer));
        let receiver = connection.lock().receiver.take().ok_or(Error::Closed)?;
        let (weak, ready) = (Arc::downgrade(&connection), Arc::clone(&socket));
        let driver = runtime.spawn(async move {
            let mut receiver = receiver;
            let _ends = Ends(Weak::clone(&weak));
            poll_fn(|context| drive(&weak, &mut receiver, &ready, context)).await;
        });
        Ok(Self { connection, socket, driver: driver.abort_handle() })
    }

    /// Sends a call: its number. Dropped before it is done, nothing was sent.
    pub(crate) async fn send<Q: Serialize>(
        &self,
        request: Q,
        streams: bool,
    ) -> Result<u64, Failure> {
        let mut role = poll_fn(|context| self.connection.poll_role(context)).await?;
        let id = role.id;
        let sender = role.sender.as_mut().ok_or_else(closed)?;
        let frame = sender.encode(wire::CALL, id, &request);
        let frame = frame.map_err(|error| Failure(Why::Unsent(error)))?;
        drop(request);
        loop {
            poll_fn(|context| self.connection.poll_room(&frame, context)).await;
            let mut ready = self.socket.writable().await.map_err(|_| closed())?;
            let sender = role.sender.as_mut().ok_or_else(closed)?;
            let mut state = self.connection.lock();
            if state.attempt(sender, &frame, streams)? {
                sender.reuse(frame);
                role.give_back(&mut state);
                return Ok(id);
            }
            if state.exchange.has_room(frame.descriptors().len()) {
                ready.clear_ready();
            }
        }
    }

    /// The next frame that belongs to a call. Dropped before it is done, nothing was taken.
    pub(crate) async fn receive(&self, id: u64) -> Result<Frame<'static>, Failure> {
        poll_fn(|context| self.connection.poll_take(id, context)).await
    }

    /// What a failure is to its caller. How the worker ended is waited for elsewhere.
    pub(crate) async fn error<E>(
        &self,
        failure: Failure,
        deadline: Option<Instant>,
    ) -> CallError<E> {
        let mut fate = None;
        if matches!(failure.0, Why::Dead(Dead::Closed)) {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let within = left.map_or(PATIENCE, |left| left.min(PATIENCE));
            let peer = Arc::clone(&self.connection.peer);
            fate = tokio::task::spawn_blocking(move || peer.fate(within)).await.ok().flatten();
        }
        self.connection.error_of(failure, || fate)
    }

    pub(crate) fn deadline_passed() -> Failure {
        Failure(Why::Deadline)
    }
}

/// Receives what is there, and sends what is owed.
fn drive(
    connection: &Weak<Connection>,
    receiver: &mut FrameReceiver,
    socket: &AsyncFd<OwnedFd>,
    context: &mut Context<'_>,
) -> Poll<()> {
    let Some(connection) = connection.upgrade() else { return Poll::Ready(()) };
    for _ in 0..TURN {
        let mut state = connection.lock();
        state.driver = Some(context.waker().clone());
        if state.dead.is_some() {
            receiver.close();
            return Poll::Ready(());
        }
        state.post();
        // Who has the sender's role sends it.
        if state.is_behind() && state.sender.is_some() {
            match socket.poll_write_ready(context) {
                Poll::Pending => {}
                Poll::Ready(Ok(mut ready)) => {
                    ready.clear_ready();
                    context.waker().wake_by_ref();
                }
                Poll::Ready(Err(_)) => state.die(Dead::Closed),
            }
        }
        drop(state);
        let Ok(mut ready) = std::task::ready!(socket.poll_read_ready(context)) else {
            connection.lock().die(Dead::Closed);
            return Poll::Ready(());
        };
        let received = match receiver.try_receive() {
            Ok(None) => {
                ready.clear_ready();
                continue;
            }
            Ok(Some(frame)) => Ok(frame),
            Err(error) => Err(error),
        };
        let mut state = connection.lock();
        let close = state.received(received).is_err();
        drop(connection.tell(state));
        if close {
            receiver.close();
            return Poll::Ready(());
        }
    }
    context.waker().wake_by_ref();
    Poll::Pending
}

impl Connection {
    fn poll_role(&self, context: &Context<'_>) -> Poll<Result<Role<'_>, Failure>> {
        let mut state = self.lock();
        if let Some(dead) = &state.dead {
            return Poll::Ready(Err(Failure(Why::Dead(dead.clone()))));
        }
        // What is left of one call goes before the next is begun: the driver sends it.
        if state.exchange.has_room(0)
            && !state.has_rest()
            && let Some(sender) = state.sender.take()
        {
            let id = state.exchange.next();
            return Poll::Ready(Ok(Role { connection: self, sender: Some(sender), id }));
        }
        state.senders.push_back(Waiter::Task(context.waker().clone()));
        Poll::Pending
    }

    /// Until the server may get another call, or never will.
    fn poll_room(&self, frame: &Frame, context: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.dead.is_some() || state.exchange.has_room(frame.descriptors().len()) {
            return Poll::Ready(());
        }
        state.senders.push_back(Waiter::Task(context.waker().clone()));
        Poll::Pending
    }

    fn poll_take(&self, id: u64, context: &Context<'_>) -> Poll<Result<Frame<'static>, Failure>> {
        let mut state = self.lock();
        if let Some((frame, credit)) = state.exchange.take(id) {
            if let Some(credit) = credit {
                state.owe(wire::CREDIT, id, credit);
            }
            return Poll::Ready(Ok(frame));
        }
        if let Some(dead) = &state.dead {
            return Poll::Ready(Err(Failure(Why::Dead(dead.clone()))));
        }
        state.exchange.set_waiter(id, Waiter::Task(context.waker().clone()));
        Poll::Pending
    }
}
