//! Programs of a few instructions, for attacks that execute.

/// A program of a few instructions, which ends with 77.
pub(crate) fn tiny_program() -> Vec<u8> {
    elf(if cfg!(target_arch = "x86_64") {
        // mov edi, 77; mov eax, 60; syscall
        &[0xbf, 77, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]
    } else {
        // mov x0, 77; mov x8, 93; svc 0
        &[0xa0, 0x09, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4]
    })
}

/// The same, if it is root's: it ends with 77 where geteuid(2) gives 0.
pub(crate) fn program_of_root() -> Vec<u8> {
    elf(if cfg!(target_arch = "x86_64") {
        // mov eax, 107; syscall; lea edi, [rax + 77]; mov eax, 60; syscall
        &[0xb8, 107, 0, 0, 0, 0x0f, 0x05, 0x8d, 0x78, 77, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]
    } else {
        // mov x8, 175; svc 0; add x0, x0, 77; mov x8, 93; svc 0
        &[
            0xe8, 0x15, 0x80, 0xd2, 1, 0, 0, 0xd4, 0, 0x34, 1, 0x91, 0xa8, 0x0b, 0x80, 0xd2, 1, 0,
            0, 0xd4,
        ]
    })
}

/// One segment, to be read and executed.
fn elf(code: &[u8]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const START: u64 = 64 + 56;
    let machine: u16 = if cfg!(target_arch = "x86_64") { 62 } else { 183 };
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend([2_u16, machine].iter().flat_map(|half| half.to_le_bytes()));
    file.extend(1_u32.to_le_bytes());
    file.extend([BASE + START, 64, 0].iter().flat_map(|word| word.to_le_bytes()));
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 1, 64, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    let len = START + code.len() as u64;
    file.extend([1_u32, 5].iter().flat_map(|half| half.to_le_bytes()));
    file.extend([0, BASE, BASE, len, len, 0x1000].iter().flat_map(|word| word.to_le_bytes()));
    file.extend(code);
    file
}
