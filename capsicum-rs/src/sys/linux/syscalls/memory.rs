//! Memory.

use super::{
    super::rule::{Fact, Need, Refusal, Step, When},
    Row, row, rules,
};
use crate::program::Names;

pub(super) const ROWS: &[Row] = &[
    row("brk", 12, 214, rules!(free)),
    row("mmap", 9, 222, MMAP),
    row("mprotect", 10, 226, MPROTECT),
    row("pkey_mprotect", 329, 288, MPROTECT),
    row("munmap", 11, 215, rules!(free)),
    row("mremap", 25, 216, rules!(free)),
    row("msync", 26, 227, rules!(free)),
    // Root would take pages out of use: MADV_HWPOISON, MADV_SOFT_OFFLINE.
    row(
        "madvise",
        28,
        233,
        &[Step::Refuse(&[When::OneOf(2, &[100, 101])], Refusal::Global), Step::Allow(&[])],
    ),
    row("mlock", 149, 228, rules!(free)),
    row("mlock2", 325, 284, rules!(free)),
    row("mlockall", 151, 230, rules!(free)),
    row("munlock", 150, 229, rules!(free)),
    row("munlockall", 152, 231, rules!(free)),
    row("mseal", 462, 462, rules!(free)),
    row("pkey_alloc", 330, 289, rules!(free)),
    row("pkey_free", 331, 290, rules!(free)),
    row("membarrier", 324, 283, rules!(free)),
    row("mbind", 237, 235, rules!(free)),
    row("get_mempolicy", 239, 236, rules!(free)),
    row("set_mempolicy", 238, 237, rules!(free)),
    // It tells which pages of a file others have read.
    row("mincore", 27, 232, rules!(unsupervised METADATA)),
    // Faults handled by the program make races in the kernel easy to win.
    row("userfaultfd", 323, 282, rules!(global)),
    row("process_vm_readv", 310, 270, rules!(global)),
    row("process_vm_writev", 311, 271, rules!(global)),
    row("process_madvise", 440, 440, rules!(global)),
    row("process_mrelease", 448, 448, rules!(global)),
    row("move_pages", 279, 239, rules!(global)),
    row("migrate_pages", 256, 238, rules!(global)),
    row("remap_file_pages", 216, 234, rules!(global)),
];

const EXEC: u32 = libc::PROT_EXEC.cast_unsigned();

/// Memory of its own needs no descriptor. A mapping of a file can be given any access later that
/// the file was opened for, so that reading is needed in any case.
const MMAP: &[Step] = &[
    Step::Allow(&[When::Any(3, libc::MAP_ANONYMOUS.cast_unsigned())]),
    Step::Need(&[], Need::Right(4, crate::Rights::MMAP_R)),
    Step::Need(&[When::Any(2, EXEC)], Need::Right(4, crate::Rights::MMAP_X)),
    // MAP_SHARED_VALIDATE has the bit of MAP_SHARED too.
    Step::Need(&[When::Any(3, libc::MAP_SHARED.cast_unsigned())], Need::MapShared(4)),
    Step::Allow(&[]),
];

/// A mapping made without execution may not get it later, unless any mapping could have it.
const MPROTECT: &[Step] = &[
    Step::Refuse(&[When::Any(2, EXEC), When::Unless(Fact::MappingsExecute)], Refusal::NotCapable),
    Step::Allow(&[]),
];
