//! Random programs, as text, from a list of numbers (so that what fails gets smaller).

use std::fmt::Write as _;

/// What a random program may hold.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked for by name")]
pub(super) struct Taste {
    pub(super) rollouts: bool,
    pub(super) cluster: bool,
    pub(super) tags: bool,
    pub(super) once: bool,
}

pub(super) fn program(numbers: &[u16], taste: Taste) -> String {
    let mut maker = Maker { numbers: numbers.iter(), taste, out: String::new(), addresses: Vec::new(), count: 0 };
    let plays = 1 + maker.pick(3);
    let mut names = Vec::new();
    for at in 0..plays {
        let name = format!("p{at}");
        let hosts = maker.hosts();
        let mut line = format!("play {name} on={}", hosts.join(","));
        let rolls = taste.rollouts && maker.pick(2) == 0;
        if rolls {
            write!(line, " batch={}", 1 + maker.pick(2)).unwrap();
        }
        if maker.pick(3) == 0 {
            write!(line, " max_failures={}", 1 + maker.pick(2)).unwrap();
        }
        maker.needs(&mut line, &names, &name);
        maker.line(0, &line);
        maker.addresses.push(name.clone());
        let mut scope = Scope { depth: 1, address: name.clone(), hosts, handlers: Vec::new(), registers: Vec::new() };
        maker.body(&mut scope, true, 3);
        maker.handlers(&scope);
        if rolls && maker.pick(2) == 0 {
            maker.line(1, "between");
            maker.line(2, "task check");
            if taste.cluster && maker.pick(2) == 0 {
                maker.line(2, "cluster look");
            }
        }
        names.push(name);
    }
    maker.out
}

struct Maker<'n> {
    numbers: std::slice::Iter<'n, u16>,
    taste: Taste,
    out: String,
    /// Of all parts so far.
    addresses: Vec<String>,
    count: usize,
}

struct Scope {
    depth: usize,
    address: String,
    hosts: Vec<&'static str>,
    handlers: Vec<String>,
    registers: Vec<String>,
}

impl Maker<'_> {
    /// Below `limit`; 0 when the numbers are used up, so that things end.
    fn pick(&mut self, limit: usize) -> usize {
        self.numbers.next().map_or(0, |number| usize::from(*number) % limit)
    }

    fn line(&mut self, depth: usize, text: &str) {
        writeln!(self.out, "{}{text}", "  ".repeat(depth)).unwrap();
    }

    fn hosts(&mut self) -> Vec<&'static str> {
        let mask = 1 + self.pick(15);
        ["h1", "h2", "h3", "h4"].into_iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1).map(|(_, h)| h).collect()
    }

    /// `hosts=`, sometimes; gives back what is left.
    fn narrow(&mut self, line: &mut String, hosts: &[&'static str]) -> Vec<&'static str> {
        if self.pick(3) != 0 {
            return hosts.to_vec();
        }
        let some = self.hosts();
        let left: Vec<_> = hosts.iter().copied().filter(|host| some.contains(host)).collect();
        write!(line, " hosts={}", left.join(",")).unwrap();
        left
    }

    /// `needs=`, sometimes: of siblings above, or of any part above from afar.
    fn needs(&mut self, line: &mut String, siblings: &[String], address: &str) {
        if self.pick(3) != 0 {
            return;
        }
        let mut names: Vec<String> = Vec::new();
        for _ in 0..self.pick(3) {
            let far: Vec<&String> = self
                .addresses
                .iter()
                .filter(|other| !address.starts_with(other.as_str()) && other.contains('/'))
                .collect();
            let count = far.len();
            let far_names: Vec<String> = far.into_iter().cloned().collect();
            let pick = self.pick(siblings.len() + count + 1);
            match siblings.get(pick).or_else(|| far_names.get(pick.wrapping_sub(siblings.len()))) {
                Some(name) if !names.contains(name) => names.push(name.clone()),
                _ => {}
            }
        }
        write!(line, " needs={}", names.join(",")).unwrap();
    }

    fn body(&mut self, scope: &mut Scope, roles: bool, deep: usize) {
        let mut siblings: Vec<String> = Vec::new();
        for _ in 0..=self.pick(4) {
            let kind = self.pick(if deep == 0 { 4 } else { 6 });
            self.count += 1;
            let name = format!("t{}", self.count);
            let address = format!("{}/{name}", scope.address);
            match kind {
                4 if roles => {
                    let mut line = format!("role {name}");
                    let hosts = self.head(&mut line, scope, &siblings, &address);
                    self.line(scope.depth, &line);
                    let (handlers, registers) = (Vec::new(), Vec::new());
                    let mut inner =
                        Scope { depth: scope.depth + 1, address: address.clone(), hosts, handlers, registers };
                    self.body(&mut inner, false, deep - 1);
                    self.handlers(&inner);
                }
                5 => {
                    let mut line = format!("block {name}");
                    let hosts = self.head(&mut line, scope, &siblings, &address);
                    self.line(scope.depth, &line);
                    let outer = (scope.depth, scope.address.clone(), scope.hosts.clone());
                    (scope.depth, scope.address, scope.hosts) = (scope.depth + 1, address.clone(), hosts);
                    self.body(scope, false, deep - 1);
                    for section in ["rescue", "always"] {
                        if self.pick(2) == 0 {
                            self.line(scope.depth, section);
                            (scope.depth, scope.address) = (scope.depth + 1, format!("{address}/{section}"));
                            self.body(scope, false, 0);
                            (scope.depth, scope.address) = (scope.depth - 1, address.clone());
                        }
                    }
                    (scope.depth, scope.address, scope.hosts) = outer;
                }
                kind => self.task(kind, &name, &address, scope, &siblings),
            }
            siblings.push(name);
            self.addresses.push(address);
        }
    }

    fn head(&mut self, line: &mut String, scope: &Scope, siblings: &[String], address: &str) -> Vec<&'static str> {
        let hosts = self.narrow(line, &scope.hosts);
        self.needs(line, siblings, address);
        if self.taste.tags && self.pick(4) == 0 {
            write!(line, " tags=g{}", self.pick(3)).unwrap();
        }
        hosts
    }

    fn task(&mut self, kind: usize, name: &str, address: &str, scope: &mut Scope, siblings: &[String]) {
        let cluster = kind == 0 && self.taste.cluster;
        let mut line = if cluster { format!("cluster {name}") } else { format!("task {name}") };
        let hosts = self.head(&mut line, scope, siblings, address);
        if self.taste.tags {
            match self.pick(6) {
                0 => line.push_str(" tags=g0"),
                1 => line.push_str(" tags=g1"),
                2 => line.push_str(" tags=never"),
                _ => {}
            }
        }
        match self.pick(8) {
            0 if !cluster && self.taste.once => line.push_str(" run_once"),
            1 if !cluster && !hosts.is_empty() => write!(line, " loop=a,b@{},c", hosts[0]).unwrap(),
            2 if !cluster && !hosts.is_empty() => write!(line, " loop=a@{}", hosts[0]).unwrap(),
            3 => line.push_str(" loop=x,y"),
            4 => line.push_str(" loop="),
            _ => {}
        }
        match self.pick(6) {
            0 => {
                let register = format!("r{}", self.count);
                write!(line, " register={register}").unwrap();
                scope.registers.push(register);
            }
            1 => {
                let handler = format!("n{}", self.pick(2));
                write!(line, " notify={handler}").unwrap();
                if !scope.handlers.contains(&handler) {
                    scope.handlers.push(handler);
                }
            }
            2 if !scope.registers.is_empty() => {
                let at = self.pick(scope.registers.len());
                write!(line, " reads={}", scope.registers[at]).unwrap();
            }
            _ => {}
        }
        self.line(scope.depth, &line);
    }

    fn handlers(&mut self, scope: &Scope) {
        for handler in &scope.handlers {
            self.line(scope.depth, &format!("handler {handler}"));
        }
    }
}
