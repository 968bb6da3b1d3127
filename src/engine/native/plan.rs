//! Where everything lies: each slot gets a place in a block's memory, shared with slots that live at other times.

use super::compile::{Compiled, SlotInfo};
use super::kernels::LANES;
use super::step::{Kind, Slot, Step};
use std::fmt;
use std::ops::Range;

/// Where a slot lies and when it is in use.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// What it holds.
    pub name: String,
    /// Offset in the block's memory, in numbers; a multiple of 16.
    pub offset: usize,
    /// Numbers.
    pub len: usize,
    /// First and last step that touch it; none if a slot in the same place took its part.
    pub live: Option<(usize, usize)>,
}

impl Placed {
    /// Its numbers in the block's memory.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len
    }
}

/// Steps and memory of one pass over a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// How many of them are the forward pass with the loss.
    pub forward: usize,
    /// The slots they name.
    pub slots: Vec<Placed>,
    /// Where the logits lie.
    pub logits: Slot,
    /// Numbers of memory that a block needs.
    pub block_len: usize,
    /// The steps between two waits: each segment is all block steps, or all barriers.
    pub segments: Vec<Range<usize>>,
}

impl Plan {
    /// Shares slots where a step can work in place, then places all by their lifetimes.
    pub fn new(compiled: Compiled) -> Plan {
        let Compiled { mut steps, forward, slots, mut logits } = compiled;
        let mut lives = lifetimes(&steps, slots.len());
        // The logits are read after the last step of the forward pass.
        if let Some((_, last)) = &mut lives[logits.0] {
            *last = (*last).max(forward.saturating_sub(1));
        }
        for index in 0..steps.len() {
            let Some((x, y)) = steps[index].in_place() else { continue };
            let (Some((x_first, x_last)), Some((y_first, y_last))) = (lives[x.0], lives[y.0]) else { continue };
            if x != y && x_last == index && y_first == index && slots[x.0].len == slots[y.0].len {
                steps.iter_mut().for_each(|step| step.rename(y, x));
                lives[x.0] = Some((x_first, y_last));
                lives[y.0] = None;
                if logits == y {
                    logits = x;
                }
            }
        }
        let slots = place(&slots, &lives);
        let block_len = slots.iter().map(|slot| slot.range().end).max().unwrap_or(0).next_multiple_of(LANES);
        let mut segments: Vec<Range<usize>> = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let is_block = |step: &Step| matches!(step.kind, Kind::Block(_));
            match segments.last_mut() {
                // The end of the forward pass ends a segment too, so that it can be run alone.
                Some(segment) if is_block(&steps[segment.start]) == is_block(step) && index != forward => {
                    segment.end = index + 1;
                }
                _ => segments.push(index..index + 1),
            }
        }
        Plan { steps, forward, slots, logits, block_len, segments }
    }

    /// Numbers in use at the busiest step: what no placement can go below.
    pub fn least(&self) -> usize {
        let at = |step: usize| {
            let lives = |slot: &&Placed| slot.live.is_some_and(|(first, last)| (first..=last).contains(&step));
            self.slots.iter().filter(lives).map(|slot| slot.len).sum()
        };
        (0..self.steps.len()).map(at).max().unwrap_or(0)
    }
}

/// First and last step that touch each slot.
fn lifetimes(steps: &[Step], slots: usize) -> Vec<Option<(usize, usize)>> {
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; slots];
    for (index, step) in steps.iter().enumerate() {
        for slot in step.slots() {
            let life = lives[slot.0].get_or_insert((index, index));
            life.1 = index;
        }
    }
    lives
}

/// Largest first, each at the lowest offset where nothing that lives at the same time lies.
fn place(slots: &[SlotInfo], lives: &[Option<(usize, usize)>]) -> Vec<Placed> {
    let mut placed: Vec<Placed> = slots
        .iter()
        .zip(lives)
        .map(|(slot, &live)| Placed { name: slot.name.clone(), offset: 0, len: slot.len, live })
        .collect();
    let mut order: Vec<usize> = (0..slots.len()).filter(|&slot| lives[slot].is_some()).collect();
    order.sort_by_key(|&slot| (std::cmp::Reverse(slots[slot].len), lives[slot], slot));
    for (done, &slot) in order.iter().enumerate() {
        let overlaps = |other: &Placed| match (placed[slot].live, other.live) {
            (Some(a), Some(b)) => a.0 <= b.1 && b.0 <= a.1,
            _ => false,
        };
        let mut taken: Vec<Range<usize>> = order[..done]
            .iter()
            .map(|&other| &placed[other])
            .filter(|other| overlaps(other))
            .map(Placed::range)
            .collect();
        taken.sort_by_key(|range| range.start);
        let mut offset = 0;
        for range in taken {
            if range.start >= offset + placed[slot].len {
                break;
            }
            offset = offset.max(range.end.next_multiple_of(LANES));
        }
        placed[slot].offset = offset;
    }
    placed
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} steps, {} runs between waits", self.steps.len(), self.segments.len())?;
        for (index, step) in self.steps.iter().enumerate() {
            if self.segments.iter().any(|segment| segment.start == index && index > 0) {
                writeln!(f, "  ----")?;
            }
            let slots: Vec<String> = step.slots().iter().map(|slot| format!("%{}", slot.0)).collect();
            let pass = if step.backward { "backward" } else { "forward" };
            writeln!(f, "{index:4} {pass:8} {:<30} {:<28} {}", step.name, step.label(), slots.join(" "))?;
        }
        writeln!(f, "\nslots of a block of {LANES} images: offset and size in bytes, steps")?;
        for (index, slot) in self.slots.iter().enumerate() {
            if let (Some((first, last)), true) = (slot.live, slot.len > 0) {
                let name = format!("%{index}");
                writeln!(
                    f,
                    "{name:>5} {:>10} {:>10} {first:>5} ..= {last:<5} {}",
                    4 * slot.offset,
                    4 * slot.len,
                    slot.name
                )?;
            }
        }
        writeln!(f, "\na block: {} bytes (at the busiest step {} are in use)", 4 * self.block_len, 4 * self.least())
    }
}
