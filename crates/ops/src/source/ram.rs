//! The in-memory source for tests: the strictest implementation of the trait's rules.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use model::{
    Direction, ScanStats, ServiceKind, ServiceStatus,
    status::{Part, PartState},
};

use super::{Batch, Frontier, Line, LogPlan, LogSource, Member, SourceError, SourceService, Stream};

#[derive(Default)]
pub struct Ram {
    lines: Mutex<Vec<Line>>,
    /// Where set, every search fails with it.
    pub broken: Mutex<Option<String>>,
}

impl Ram {
    pub fn push(&self, line: Line) {
        let mut lines = self.lines.lock().expect("no panic while held");
        let place = lines.partition_point(|other| other.id < line.id);
        assert!(lines.get(place).is_none_or(|other| other.id != line.id), "a line came twice: {}", line.id);
        lines.insert(place, line);
    }
}

#[async_trait]
impl LogSource for Ram {
    fn name(&self) -> String {
        "ram".to_owned()
    }

    fn services(&self) -> Vec<SourceService> {
        let lines = self.lines.lock().expect("no panic while held");
        SourceService::gather(lines.iter().map(|line| {
            let Stream { key, labels, .. } = &*line.stream;
            let member = Member { name: Some(key.name.clone()), labels: labels.clone(), status: ServiceStatus::Running };
            (key.clone(), ServiceKind::Container, member)
        }))
    }

    fn part(&self) -> Part {
        Part { name: self.name(), state: PartState::Ok, detail: String::new(), since: None }
    }

    async fn search(&self, plan: &LogPlan) -> Result<Batch, SourceError> {
        if let Some(why) = &*self.broken.lock().expect("no panic while held") {
            return Err(SourceError::Failed(why.clone()));
        }
        let lines = self.lines.lock().expect("no panic while held");
        let matching = |line: &&Line| plan.selector.matches(&line.stream.key) && plan.takes(line);
        let mut found: Vec<Line> = match plan.direction {
            Direction::Forward => lines.iter().filter(matching).take(plan.limit + 1).cloned().collect(),
            Direction::Backward => lines.iter().rev().filter(matching).take(plan.limit + 1).cloned().collect(),
        };
        let more = found.len() > plan.limit;
        found.truncate(plan.limit);
        let frontier = match found.last() {
            Some(last) if more => Frontier::Upto(last.id),
            _ => Frontier::Exhausted,
        };
        let stats = ScanStats { lines_scanned: lines.len() as u64, ..ScanStats::default() };
        Ok(Batch { lines: found, frontier, stats })
    }
}

impl Ram {
    pub fn shared() -> Arc<Self> {
        Arc::default()
    }
}
