//! Answers to questions: what an object is, where a link points, a reference to it.

use std::os::fd::OwnedFd;

use libc::c_int;

use super::{
    super::calls::{self, Errno},
    Answer, Supervisor,
    caller::Caller,
    kernel::{self, Raw},
    request::{Pointer, Question, Subject},
    trees::string,
    walk::{Found, How},
};

/// `XATTR_SIZE_MAX` and `XATTR_LIST_MAX`: no attribute, and no list of their names, is larger.
const MOST: u64 = 65_536;
/// `XATTR_NAME_MAX`, and the NUL.
pub(super) const LONGEST_NAME: usize = 256;
/// `PROC_SUPER_MAGIC`: what is on it is about whoever looks.
const PROCESSES: i64 = 0x9fa0;
/// `struct open_how` as it is now, and the largest that a kernel takes.
const HOW: u64 = 24;
const LARGEST_HOW: u64 = 4096;

/// What a question is about.
pub(super) enum Seen {
    /// A reference; and the tree that it is in, unless the caller has it open anyway.
    Object(OwnedFd, Option<usize>),
    /// A directory above what is granted.
    Above(Vec<u8>),
}

impl Supervisor {
    /// Finds what a call is about.
    pub(super) fn find(
        &self,
        caller: &Caller<'_>,
        subject: Subject,
        exact: bool,
    ) -> Result<Seen, Errno> {
        let (from, path, follow, may_be_empty) = match subject {
            Subject::Descriptor(number) => {
                return Ok(Seen::Object(caller.object(number)?, None));
            }
            Subject::Path { from, path, follow, may_be_empty } => {
                (from, path, follow, may_be_empty)
            }
        };
        // From Linux 6.11 on no path is an empty one.
        let path = if path == 0 && may_be_empty { Vec::new() } else { caller.path(path)? };
        if path.is_empty() && may_be_empty && from != libc::AT_FDCWD {
            return Ok(Seen::Object(caller.object(from)?, None));
        }
        let path = if path.is_empty() && may_be_empty { b".".to_vec() } else { path };
        self.look_up(caller, from, &path, How { follow, exact, resolve: 0 })
    }

    fn look_up(
        &self,
        caller: &Caller<'_>,
        from: c_int,
        path: &[u8],
        how: How,
    ) -> Result<Seen, Errno> {
        let start = if path.starts_with(b"/") {
            super::trees::Cursor::root()
        } else {
            caller.start(&self.trees, from)?
        };
        match self.trees.walk(start, path, how)? {
            Found::Above(path) => Ok(Seen::Above(path)),
            Found::Object(object, tree) => seen(object, tree),
        }
    }

    /// Answers a question.
    pub(super) fn ask(
        &self,
        caller: &Caller<'_>,
        subject: Subject,
        question: Question,
    ) -> Result<Answer, Errno> {
        let modes = libc::W_OK | libc::X_OK;
        let exact = matches!(question, Question::Access { mode, .. } if mode & modes != 0);
        match self.find(caller, subject, exact)? {
            Seen::Above(path) => above(caller, &path, question),
            Seen::Object(object, tree) => {
                if let (Question::Access { mode, flags }, Some(tree)) = (question, tree) {
                    return self.access(&object, tree, mode, flags);
                }
                about(caller, &object, question)
            }
        }
    }

    /// access(2), as on a mount that is read-only, or from which nothing is executed.
    fn access(
        &self,
        object: &OwnedFd,
        tree: usize,
        mode: c_int,
        flags: c_int,
    ) -> Result<Answer, Errno> {
        kernel::access(object, mode, flags)?;
        if mode & (libc::W_OK | libc::X_OK) == 0 {
            return Ok(Answer::Value(0));
        }
        let (tree, kind) = (self.trees.tree(tree), kernel::kind(object)?);
        let files = [libc::S_IFREG, libc::S_IFDIR, libc::S_IFLNK];
        if mode & libc::W_OK != 0 && tree.read_only && files.contains(&kind) {
            return Err(libc::EROFS);
        }
        if mode & libc::X_OK != 0 && tree.no_execution && kind == libc::S_IFREG {
            return Err(libc::EACCES);
        }
        Ok(Answer::Value(0))
    }

    /// getcwd(2): of a directory that is granted, or above one.
    pub(super) fn working_directory(
        &self,
        caller: &Caller<'_>,
        to: Pointer,
        size: u64,
    ) -> Result<Answer, Errno> {
        let mut path = caller.directory()?;
        self.trees.cursor(if path == b"/" { b"" } else { &path })?;
        path.push(0);
        if (path.len() as u64) > size {
            return Err(libc::ERANGE);
        }
        caller.write(to, &path)?;
        count(path.len())
    }

    /// openat2(2): with `O_PATH` alone. What reads or writes goes by openat(2), which Landlock holds;
    /// programs take it where this call does not exist.
    pub(super) fn open(
        &self,
        caller: &Caller<'_>,
        from: c_int,
        path: Pointer,
        how: (Pointer, u64),
    ) -> Result<Answer, Errno> {
        let (how, size) = how;
        if size < HOW {
            return Err(libc::EINVAL);
        }
        if size > LARGEST_HOW {
            return Err(libc::E2BIG);
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        caller.read(how, &mut bytes)?;
        let mut words = bytes
            .chunks_exact(8)
            .map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default()));
        let mut word = || words.next().unwrap_or_default();
        let (flags, mode, resolve) = (word(), word(), word());
        if bytes[24..].iter().any(|&byte| byte != 0) {
            return Err(libc::E2BIG);
        }
        let flags = c_int::try_from(flags).map_err(|_| libc::EINVAL)?;
        if flags & libc::O_PATH == 0 {
            return Err(libc::ENOSYS);
        }
        let known = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let within = libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT;
        let resolves = within
            | libc::RESOLVE_NO_XDEV
            | libc::RESOLVE_NO_MAGICLINKS
            | libc::RESOLVE_NO_SYMLINKS
            | libc::RESOLVE_CACHED;
        if mode != 0 || flags & !known != 0 || resolve & !resolves != 0 {
            return Err(libc::EINVAL);
        }
        let path = caller.path(path)?;
        let found = if resolve & within == 0 {
            let follow = flags & libc::O_NOFOLLOW == 0;
            self.look_up(caller, from, &path, How { follow, exact: false, resolve })?
        } else {
            let start = caller.start(&self.trees, from)?;
            let directory = start.directory(&self.trees).ok_or(libc::EACCES)?;
            let flags = flags & (libc::O_DIRECTORY | libc::O_NOFOLLOW);
            let object = kernel::open_beneath(directory, &string(path), flags, resolve)?;
            seen(object, None)?
        };
        match found {
            Seen::Above(_) => Err(libc::EACCES),
            Seen::Object(object, _) => refer(&object, flags),
        }
    }
}

/// What procfs tells, it would tell of the supervisor.
fn seen(object: OwnedFd, tree: Option<usize>) -> Result<Seen, Errno> {
    if kernel::file_system(&object)?.f_type == PROCESSES {
        return Err(libc::EACCES);
    }
    Ok(Seen::Object(object, tree))
}

fn count(length: usize) -> Result<Answer, Errno> {
    i64::try_from(length).map(Answer::Value).map_err(|_| libc::EOVERFLOW)
}

/// Hands a descriptor out in place of a reference, which the kernel lets nobody hand out (`fget` of
/// `SECCOMP_IOCTL_NOTIF_ADDFD` knows none): of a directory or a regular file, open for reading, which
/// the program may do itself. Nothing else is opened, since that may wait or set something off.
fn refer(object: &OwnedFd, flags: c_int) -> Result<Answer, Errno> {
    let kind = kernel::kind(object)?;
    match kind {
        libc::S_IFDIR => {}
        _ if flags & libc::O_DIRECTORY != 0 => return Err(libc::ENOTDIR),
        libc::S_IFREG => {}
        // What fchmodat(3) looks for, which opens a reference to see whether it is a link.
        libc::S_IFLNK => return Err(libc::EOPNOTSUPP),
        _ => return Err(libc::EACCES),
    }
    let file = kernel::open_object(object)?;
    Ok(Answer::Descriptor { file, close_on_exec: flags & libc::O_CLOEXEC != 0 })
}

/// Answers from an object.
fn about(caller: &Caller<'_>, object: &OwnedFd, question: Question) -> Result<Answer, Errno> {
    match question {
        Question::Status { to, flags } => {
            caller.write(to, kernel::status(object, flags)?.bytes())?;
        }
        Question::Statx { to, flags, mask } => {
            caller.write(to, kernel::statx(object, flags, mask)?.bytes())?;
        }
        Question::Access { mode, flags } => kernel::access(object, mode, flags)?,
        Question::Link { to, size } => {
            let size = usize::try_from(size).ok().filter(|size| *size > 0).ok_or(libc::EINVAL)?;
            if kernel::kind(object)? != libc::S_IFLNK {
                return Err(libc::EINVAL);
            }
            let text = kernel::read_link(object)?;
            let text = &text[..text.len().min(size)];
            caller.write(to, text)?;
            return count(text.len());
        }
        Question::FileSystem { to } => {
            caller.write(to, kernel::file_system(object)?.bytes())?;
        }
        Question::Attribute { name, to, size } => {
            let name = caller.string(name, LONGEST_NAME, libc::ERANGE)?;
            let mut value = room(size);
            let length = kernel::attribute(object, &name, &mut value)?;
            return fill(caller, to, &value, length);
        }
        Question::Attributes { to, size } => {
            let mut list = room(size);
            let length = kernel::attributes(object, &mut list)?;
            return fill(caller, to, &list, length);
        }
        Question::Watch { by, mask } => {
            let by = caller.descriptor(by)?;
            return Ok(Answer::Value(kernel::watch(&by, object, mask)?));
        }
        Question::Refer { flags } => return refer(object, flags),
    }
    Ok(Answer::Value(0))
}

/// As much room as the caller has, and no more than can be used.
fn room(size: u64) -> Vec<u8> {
    vec![0; usize::try_from(size.min(MOST)).unwrap_or(0)]
}

/// Without room, the length alone was asked for.
fn fill(caller: &Caller<'_>, to: Pointer, bytes: &[u8], length: usize) -> Result<Answer, Errno> {
    if !bytes.is_empty() {
        caller.write(to, bytes.get(..length).ok_or(libc::ERANGE)?)?;
    }
    count(length)
}

/// Answers about a directory above what is granted: that it is there and may be searched.
fn above(caller: &Caller<'_>, path: &[u8], question: Question) -> Result<Answer, Errno> {
    /// What a directory of the set-up itself would be.
    const MODE: libc::mode_t = libc::S_IFDIR | 0o555;
    let real = || {
        let path = if path.is_empty() { b"/".to_vec() } else { path.to_vec() };
        calls::refer(&string(path)).and_then(|directory| kernel::status(&directory, 0))
    };
    match question {
        Question::Status { to, .. } => {
            let real = real()?;
            let mut status = kernel::blank_status();
            (status.st_dev, status.st_ino) = (real.st_dev, real.st_ino);
            (status.st_mode, status.st_nlink, status.st_blksize) = (MODE, 2, 4096);
            caller.write(to, status.bytes())?;
        }
        Question::Statx { to, .. } => {
            let real = real()?;
            let mut status = kernel::blank_statx();
            status.stx_mask = libc::STATX_BASIC_STATS;
            status.stx_dev_major = libc::major(real.st_dev);
            status.stx_dev_minor = libc::minor(real.st_dev);
            status.stx_ino = real.st_ino;
            status.stx_mode = u16::try_from(MODE).unwrap_or(0);
            (status.stx_nlink, status.stx_blksize) = (2, 4096);
            caller.write(to, status.bytes())?;
        }
        Question::Access { mode, .. } => match mode {
            libc::F_OK | libc::X_OK => {}
            1..=7 => return Err(libc::EACCES),
            _ => return Err(libc::EINVAL),
        },
        Question::Link { .. } => return Err(libc::EINVAL),
        Question::Attribute { .. } => return Err(libc::ENODATA),
        Question::Attributes { .. } => {}
        Question::FileSystem { to } => {
            caller.write(to, kernel::blank_file_system().bytes())?;
        }
        Question::Watch { .. } | Question::Refer { .. } => {
            return Err(libc::EACCES);
        }
    }
    Ok(Answer::Value(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_a_procfs_is_not_seen() {
        assert!(seen(calls::refer(c"/").unwrap(), None).is_ok());
        for path in [c"/proc", c"/proc/version"] {
            let object = calls::refer(path).unwrap();
            assert!(matches!(seen(object, None), Err(libc::EACCES)), "{path:?}");
        }
    }
}
