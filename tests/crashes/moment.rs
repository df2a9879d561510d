//! The phases of a stopped process, found by the functions that its threads are in.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::Path,
    thread,
    time::Duration,
};

use shared::error::Phase;

/// How much of a stack is read, from its top.
const STACK_BYTES: usize = 64 * 1024;
/// The number of tries until a thread is seen as stopped. On a busy machine a thread stops only when it gets its next turn.
const TRIES: usize = 40_000;

/// Parts of symbol names that identify the functions of a phase. Functions in modules that several phases share are not listed:
/// there the caller says which phase it is.
const MODULES: [(&str, Phase); 11] = [
    ("6shared4tape", Phase::Ingest),
    ("6engine6intake", Phase::Ingest),
    ("6engine3cut", Phase::Ingest),
    ("6engine5block9QuickRead", Phase::Ingest),
    ("6phases8validate", Phase::Validate),
    ("6phases11eligibility", Phase::Eligibility),
    ("6phases7pricing", Phase::Pricing),
    ("6phases11disposition", Phase::Disposition),
    ("6shared7results3csv", Phase::Output),
    ("6engine8assembly", Phase::Output),
    ("5facts6encode", Phase::Output),
];

/// The functions of a program.
pub struct Functions {
    /// The start address of each function, in order, with its phase if it has one.
    places: Vec<(u64, Option<Phase>)>,
    end: u64,
}

impl Functions {
    /// The functions of a program in an ELF file that has its symbols.
    pub fn of(program: &Path) -> Option<Self> {
        let file = fs::read(program).ok()?;
        let number = |at: usize, bytes: usize| -> Option<u64> {
            let mut number = [0; 8];
            number[..bytes].copy_from_slice(file.get(at..at + bytes)?);
            Some(u64::from_le_bytes(number))
        };
        if file.get(..5)? != b"\x7fELF\x02" {
            return None;
        }
        let (sections, size, count) = (number(0x28, 8)? as usize, number(0x3a, 2)? as usize, number(0x3c, 2)? as usize);
        let section = |at: usize| sections + at * size;
        let symbols = (0..count).map(section).find(|at| number(at + 4, 4) == Some(2))?;
        let names = number(section(number(symbols + 0x28, 4)? as usize) + 0x18, 8)? as usize;
        let (start, bytes) = (number(symbols + 0x18, 8)? as usize, number(symbols + 0x20, 8)? as usize);
        let (mut places, mut end) = (Vec::new(), 0);
        for at in (start..start + bytes).step_by(24) {
            // Skip the symbols that are not functions.
            if file.get(at + 4)? & 15 != 2 {
                continue;
            }
            let name = &file[names + number(at, 4)? as usize..];
            let name = std::str::from_utf8(&name[..name.iter().position(|byte| *byte == 0)?]).ok()?;
            let phase = MODULES.iter().find(|(module, _)| name.contains(module)).map(|(_, phase)| *phase);
            let place = number(at + 8, 8)?;
            end = end.max(place + number(at + 16, 8)?);
            places.push((place, phase));
        }
        places.sort_by_key(|(place, _)| *place);
        Some(Self { places, end })
    }

    fn phase_at(&self, place: u64) -> Option<Phase> {
        let next = self.places.partition_point(|(start, _)| *start <= place);
        if place >= self.end { None } else { self.places.get(next.checked_sub(1)?)?.1 }
    }

    /// The phases that the threads of a stopped process are in. `None` if the system does not show it.
    pub fn phases_of(&self, process: u32) -> Option<BTreeSet<Phase>> {
        let folder = format!("/proc/{process}");
        let maps = fs::read_to_string(format!("{folder}/maps")).ok()?;
        // Start at the program's own mapping: the allocator may have mappings below the program.
        let program = fs::read_link(format!("{folder}/exe")).ok()?;
        let first = maps.lines().find(|line| line.ends_with(&*program.to_string_lossy()))?;
        let base = u64::from_str_radix(first.split('-').next()?, 16).ok()?;
        let memory = File::open(format!("{folder}/mem")).ok()?;
        let mut phases = BTreeSet::new();
        for thread in fs::read_dir(format!("{folder}/task")).ok()? {
            let (stack, instruction) = match held(&thread.ok()?.path())? {
                Some(registers) => registers,
                // The thread waits in a system call and is in no phase.
                None => continue,
            };
            let mut words = vec![0; STACK_BYTES];
            let read = memory.read_at(&mut words, stack).unwrap_or(0);
            // The innermost function of a phase: the current function, or the first one that it will return to.
            let returns = words[..read].chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
            let mut places = std::iter::once(instruction).chain(returns);
            phases.extend(places.find_map(|place| self.phase_at(place.checked_sub(base)?)));
        }
        Some(phases)
    }
}

/// The top of the stack of a stopped thread, and its instruction pointer. `Some(None)` for a thread that waits in a system call,
/// `None` if the system does not show it.
#[expect(clippy::option_option, reason = "an unreadable thread differs from a waiting thread")]
fn held(thread: &Path) -> Option<Option<(u64, u64)>> {
    for _ in 0..TRIES {
        let call = fs::read_to_string(thread.join("syscall")).ok()?;
        let mut words = call.split_whitespace();
        match words.next()? {
            // The signal has not arrived yet.
            "running" => thread::sleep(Duration::from_micros(50)),
            "-1" => {
                let mut address = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
                return Some(Some((address()?, address()?)));
            }
            _ => return Some(None),
        }
    }
    None
}
