//! What no optimiser can see: functions that are pointed to and never called, emptied before anything else reads the module.

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Context, ensure};
use wasmparser::{KnownCustom, Name, Parser, Payload, TypeRef};

/// How tachys names what hydrates an erased view part by part: the function itself and the future it makes, one pair for each type of view.
pub const UNCALLED: &str = "<T as tachys::view::any_view::IntoAny>::into_any::hydrate_async";

/// Empties the functions that only `leptos::mount::hydrate_lazy` calls; `frontend` starts with `hydrate_body`. Every erased view points to
/// them, so that no optimiser can tell that nobody calls: a twentieth of the module. Called nevertheless, they would trap.
///
/// `wasm` carries its relocations: those of an emptied body go with it, so that nothing seems to need what it called.
/// <https://github.com/WebAssembly/tool-conventions/blob/main/Linking.md#relocation-sections>
pub fn cut_uncalled(mut wasm: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let Found { mut bodies, code, reloc } = find(&wasm)?;
    ensure!(!bodies.is_empty(), "no function is named {UNCALLED} any more: see how tachys names it now");
    let reloc = reloc.context("no reloc.CODE: the linker was not told --emit-relocs")?;
    bodies.retain(|body| body.len() >= 3);
    bodies.sort_by_key(|body| body.start);
    let section = without(&wasm, &reloc, |at| {
        let at = code.start + at;
        let body = bodies.partition_point(|body| body.end <= at);
        bodies.get(body).is_some_and(|body| body.contains(&at))
    })?;
    for body in bodies {
        // No locals, `unreachable`, as many `nop` as fit, `end`.
        wasm[body.clone()].fill(0x01);
        wasm[body.start] = 0x00;
        wasm[body.start + 1] = 0x00;
        wasm[body.end - 1] = 0x0b;
    }
    wasm.splice(reloc.whole, section);
    Ok(wasm)
}

struct Found {
    /// The bodies to empty, without their sizes.
    bodies: Vec<Range<usize>>,
    /// The code section without its header: what relocations count from.
    code: Range<usize>,
    reloc: Option<Reloc>,
}

/// The section `reloc.CODE`: all of it, and its content.
struct Reloc {
    whole: Range<usize>,
    content: Range<usize>,
}

fn find(wasm: &[u8]) -> anyhow::Result<Found> {
    let mut imported = 0u32;
    let (mut bodies, mut code, mut reloc) = (Vec::new(), 0..0, None);
    let mut uncalled = BTreeSet::new();
    let mut end_before = 8;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        match &payload {
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(range(body.range())),
            Payload::CustomSection(custom) => match custom.as_known() {
                KnownCustom::Name(names) => {
                    for names in names {
                        let Name::Function(names) = names? else { continue };
                        for naming in names {
                            let naming = naming?;
                            if rustc_demangle::demangle(naming.name).to_string().starts_with(UNCALLED) {
                                uncalled.insert(naming.index);
                            }
                        }
                    }
                }
                KnownCustom::Reloc(_) if custom.name() == "reloc.CODE" => {
                    let all = range(custom.range());
                    reloc = Some(Reloc { whole: end_before..all.end, content: range(custom.data_range()) });
                }
                _ => {}
            },
            _ => {}
        }
        if let Some((id, section)) = payload.as_section() {
            end_before = range(section.clone()).end;
            if id == 10 {
                code = range(section);
            }
        }
    }
    let bodies = (imported..).zip(bodies).filter(|(index, _)| uncalled.contains(index)).map(|(_, body)| body).collect();
    Ok(Found { bodies, code, reloc })
}

/// The section anew, without the entries whose offset `is_cut`.
fn without(wasm: &[u8], reloc: &Reloc, is_cut: impl Fn(usize) -> bool) -> anyhow::Result<Vec<u8>> {
    let reader = wasmparser::BinaryReader::new(&wasm[reloc.content.clone()], reloc.content.start as u64);
    let reader = wasmparser::RelocSectionReader::new(reader)?;
    let entries = reader.entries();
    let end = range(entries.range()).end;
    let mut starts = Vec::new();
    for entry in entries.into_iter_with_offsets() {
        let (start, entry) = entry?;
        starts.push((usize::try_from(start)?, is_cut(entry.offset as usize)));
    }
    let ends: Vec<_> = starts.iter().skip(1).map(|(start, _)| *start).chain([end]).collect();
    let kept: Vec<_> = starts.iter().zip(ends).filter(|((_, is_cut), _)| !is_cut).map(|((start, _), end)| *start..end).collect();
    let mut content = Vec::new();
    leb(&mut content, "reloc.CODE".len());
    content.extend(b"reloc.CODE");
    leb(&mut content, reader.section_index() as usize);
    leb(&mut content, kept.len());
    for entry in kept {
        content.extend(&wasm[entry]);
    }
    let mut section = vec![0];
    leb(&mut section, content.len());
    section.append(&mut content);
    Ok(section)
}

/// Unsigned LEB128.
fn leb(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn range(range: Range<u64>) -> Range<usize> {
    let at = |at| usize::try_from(at).expect("an offset into bytes in memory");
    at(range.start)..at(range.end)
}
