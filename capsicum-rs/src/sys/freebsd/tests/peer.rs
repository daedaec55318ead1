//! Our limits and those of the crate `capsicum`, on the same descriptor.

use std::fs::File;

use capsicum::{CapRights, FileRights, Right};

use crate::{Rights, limit, limits_of};

const BOTH: &[(Rights, Right)] = &[
    (Rights::READ, Right::Read),
    (Rights::WRITE, Right::Write),
    (Rights::SEEK, Right::Seek),
    (Rights::PREAD, Right::Pread),
    (Rights::MMAP_RW, Right::MmapRW),
    (Rights::CREATE, Right::Create),
    (Rights::FEXECVE, Right::Fexecve),
    (Rights::FSYNC, Right::Fsync),
    (Rights::FTRUNCATE, Right::Ftruncate),
    (Rights::LOOKUP, Right::Lookup),
    (Rights::FCHMOD, Right::Fchmod),
    (Rights::FSTATAT, Right::Fstatat),
    (Rights::MKDIRAT, Right::Mkdirat),
    (Rights::RENAMEAT_SOURCE, Right::RenameatSource),
    (Rights::UNLINKAT, Right::Unlinkat),
    (Rights::ACCEPT, Right::Accept),
    (Rights::SOCK_CLIENT, Right::SockClient),
    (Rights::SOCK_SERVER, Right::SockServer),
    (Rights::EVENT, Right::Event),
    (Rights::KQUEUE, Right::Kqueue),
    (Rights::PDKILL, Right::Pdkill),
    (Rights::EXTATTR_SET, Right::ExtattrSet),
    (Rights::ACL_GET, Right::AclGet),
];

fn fresh() -> File {
    tempfile::tempfile().expect("a temporary file")
}

#[test]
fn what_the_peer_limits_is_what_we_read() {
    for (ours, theirs) in BOTH {
        let file = fresh();
        FileRights::new().allow(*theirs).limit(&file).expect("the peer limits");
        assert_eq!(limits_of(&file).expect("its limits").rights, *ours, "{theirs:?}");
    }
}

#[test]
fn what_we_limit_is_what_the_peer_reads() {
    for (ours, theirs) in BOTH {
        let file = fresh();
        limit(&file, *ours).expect("we limit");
        let read = FileRights::from_file(&file).expect("the peer reads");
        assert_eq!(read, *FileRights::new().allow(*theirs), "{ours}");
    }
}
