#!/usr/bin/env python3
"""One state of 60 tasks on real hosts, and who finds soonest that there is nothing to do.

    run.py LIONS [--hosts 10] [--rounds 5] [--latency MS] [--others]

Boots hosts of the lab (tests/lab/hosts), lets `lions` make the state on them, and then measures, round by round and
one after the other, so that each meets the same machine:

    floor     one `ssh` a host, all at once, each one shell command through sudo that looks at the same 60 things
    cold      `lions plan` without any connection
    warm      `lions plan` again, within the minute for which connections are kept
    others    (--others, once each) Ansible with pipelining, Ansible with Mitogen, pyinfra; from the Python registry,
              into a folder of the cache. Packages are looked at by `dpkg -s` in Ansible: its module wants python3-apt.

Prints a table of medians, in seconds and as a ratio to the floor. Times are of one machine and one moment; ratios of
rounds that were paired are what counts. It asserts nothing: what is counted (logins, batches) is held by tests.
"""

import argparse, json, os, pathlib, re, shutil, statistics, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
LAB = HERE.parent.parent / "tests/lab/hosts/lab"
CACHE = pathlib.Path(os.environ.get("LAB_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lions-lab")
PACKAGES = ["curl", "procps", "kmod", "iproute2", "ca-certificates"]
UNITS = ["ssh", "dbus", "systemd-logind", "systemd-journald", "systemd-user-sessions"]
ROOT = "/opt/bench"
PYTHON = "/opt/python"
TEXT = "# a file of the benchmark\n" + "key = value\n" * 80
TEMPLATE = "# of {{ NAME }}\n" + "key = {{ VALUE }}\n" * 40


class Hosts:
    """Hosts of the lab, and an ssh configuration that knows them. They go with this."""

    def __init__(self, count, folder):
        # The hosts have no Python of their own: who needs one gets that of this machine.
        self.env = dict(os.environ, LAB_ID="bench", LAB_NET="10.99", LAB_NSPAWN=f"--bind-ro={sys.base_prefix}:{PYTHON}")
        self.names = [f"h{number}" for number in range(1, count + 1)]
        self.lab("up", "0")
        for start in range(0, count, 10):
            self.lab("add", *self.names[start:start + 10])
        run, key = CACHE / "run/bench", pathlib.Path(self.lab("image").strip()) / "id_ed25519"
        known = "".join((run / name / "known_hosts").read_text() for name in self.names)
        (folder / "known_hosts").write_text(known)
        text = f'Host *\n  User ops\n  IdentityFile "{key}"\n  IdentitiesOnly yes\n  UserKnownHostsFile "{folder}/known_hosts"\n  StrictHostKeyChecking yes\n'
        for number, name in enumerate(self.names):
            text += f"Host {name}\n  HostName 10.99.{1 + number // 200}.{1 + number % 200}\n"
        self.config = folder / "ssh_config"
        self.config.write_text(text)

    def lab(self, *words):
        done = subprocess.run([str(LAB), *words], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode == 69:  # this machine cannot have hosts
            print(done.stderr, file=sys.stderr)
            sys.exit(69)
        if done.returncode:
            sys.exit(f"lab {words}: {done.stderr or done.stdout}")
        return done.stdout

    def logins(self):
        return sum(int(self.lab("exec", name, "sh", "-c", "journalctl -u ssh --no-pager | grep -c Accepted || true")) for name in self.names)


def project(folder, hosts):
    """The state, as a project of `lions`."""
    lines = "".join(f"  {name}: {{ address: {name} }}\n" for name in hosts.names)
    write(folder / "inventories/bench/environment.yml", f"become: true\nssh: {{ config: {json.dumps(str(hosts.config))} }}\nhosts:\n{lines}")
    write(folder / "templates/t.j2", TEMPLATE.replace("NAME", "inventory_hostname").replace("VALUE", "inventory_hostname"))
    tasks = []
    tasks += [f"- group: {{ name: bench{n} }}" for n in (1, 2)]
    tasks += [f"- user: {{ name: bencher{n}, group: bench1, shell: /bin/sh }}" for n in (1, 2, 3)]
    tasks += [f"- directory: {{ path: {ROOT}/d{n}, mode: \"0750\", owner: bencher1, group: bench1 }}" for n in range(10)]
    tasks += [f"- copy: {{ dest: {ROOT}/d0/f{n}, content: {json.dumps(TEXT + str(n))}, mode: \"0640\" }}" for n in range(20)]
    tasks += [f"- template: {{ src: t.j2, dest: {ROOT}/d1/t{n}, mode: \"0644\" }}" for n in range(10)]
    tasks += [f"- package: {{ name: {name} }}" for name in PACKAGES]
    tasks += [f"- service: {{ name: {name}, state: started }}" for name in UNITS]
    tasks += [f"- name: line {n}\n      line: {{ path: {ROOT}/d2/lines, line: line {n}, create: true }}" for n in range(5)]
    write(folder / "playbooks/site.yml", "- name: bench\n  hosts: all\n  tasks:\n" + "".join(f"    {task}\n" for task in tasks))
    return len(tasks)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def floor(hosts):
    """One ssh a host, all at once."""
    paths = [f"{ROOT}/d{n}" for n in range(10)] + [f"{ROOT}/d0/f{n}" for n in range(20)] + [f"{ROOT}/d1/t{n}" for n in range(10)] + [f"{ROOT}/d2/lines"]
    files = " ".join(paths[10:])
    body = f"stat --printf '%a %u %g %s %Y %F\\n%n\\n' -- {' '.join(paths)}; sha256sum -- {files}; cat {ROOT}/d2/lines; "
    body += f"dpkg-query -W -f '${{binary:Package}} ${{db:Status-Abbrev}} ${{Version}}\\n' {' '.join(PACKAGES)}; "
    body += f"systemctl show -p Id,LoadState,ActiveState,UnitFileState {' '.join(UNITS)}; getent passwd bencher1 bencher2 bencher3; getent group bench1 bench2"
    quoted = "'" + body.replace("'", "'\\''") + "'"
    def one(name):
        return subprocess.Popen(["ssh", "-F", str(hosts.config), "-o", "BatchMode=yes", name, f"sudo -n sh -c {quoted}"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    began = time.monotonic()
    running = [one(name) for name in hosts.names]
    said = [process.communicate() for process in running]
    took = time.monotonic() - began
    for process, (out, err) in zip(running, said):
        if process.returncode or out.count("line ") != 5:
            sys.exit(f"floor: {err or out}")
    return took


class Lions:
    def __init__(self, program, folder):
        self.program, self.folder, self.peak, self.masters = program, folder, 0, 0
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(folder / "run")}
        for name in ("home", "run"):
            (folder / name).mkdir()

    def run(self, *words, expect="nothing to do: "):
        began = time.monotonic()
        process = subprocess.Popen([self.program, *words], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.monotonic() - began
        if process.returncode or expect not in said:
            sys.exit(f"lions {words}: {process.returncode}\n{said[-4000:]}")
        self.peak = max(self.peak, usage.ru_maxrss)
        return took

    def sockets(self):
        return [path for path in (self.folder / "run/lions").glob("*") if path.suffix != ".lock"]

    def memory(self):
        """Of all masters, in MB: their proportional share."""
        total = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if str(self.folder / "run/lions").encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    total += int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
            except (OSError, TypeError):
                pass
        return total / 1024

    def cool(self):
        for socket in self.sockets():
            subprocess.run(["ssh", "-O", "exit", "-S", str(socket), "x"], capture_output=True)


def others(hosts, folder):
    """The same state for other tools: (name, command, environment, what says that nothing was to do)."""
    tools = CACHE / "bench"
    for name in hosts.names:
        hosts.lab("exec", name, "sh", "-c", f"echo {PYTHON}/lib > /etc/ld.so.conf.d/python.conf; ldconfig")
    for name, packages in (("ansible", ["ansible-core<2.19", "mitogen"]), ("pyinfra", ["pyinfra"])):
        if not (tools / name / "done").exists():
            shutil.rmtree(tools / name, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(tools / name)], check=True)
            subprocess.run([str(tools / name / "bin/pip"), "install", "-q", *packages], check=True)
            (tools / name / "done").touch()
    write(folder / "inventory", "\n".join(hosts.names) + "\n")
    write(folder / "t.j2", TEMPLATE.replace("NAME", "inventory_hostname").replace("VALUE", "inventory_hostname"))
    tasks = [{"group": {"name": f"bench{n}"}} for n in (1, 2)]
    tasks += [{"user": {"name": f"bencher{n}", "group": "bench1", "shell": "/bin/sh"}} for n in (1, 2, 3)]
    tasks += [{"file": {"path": f"{ROOT}/d{n}", "state": "directory", "mode": "0750", "owner": "bencher1", "group": "bench1"}} for n in range(10)]
    tasks += [{"copy": {"dest": f"{ROOT}/d0/f{n}", "content": TEXT + str(n), "mode": "0640"}} for n in range(20)]
    tasks += [{"template": {"src": "t.j2", "dest": f"{ROOT}/d1/t{n}", "mode": "0644"}} for n in range(10)]
    tasks += [{"command": f"dpkg -s {name}", "changed_when": False} for name in PACKAGES]
    tasks += [{"service": {"name": name, "state": "started"}} for name in UNITS]
    tasks += [{"lineinfile": {"path": f"{ROOT}/d2/lines", "line": f"line {n}", "create": True}} for n in range(5)]
    write(folder / "site.yml", json.dumps([{"hosts": "all", "become": True, "gather_facts": False, "tasks": tasks}]))
    write(folder / "deploy.py", f"""
from pyinfra.operations import files, server, systemd
import io
TEXT, TEMPLATE = {TEXT!r}, {TEMPLATE!r}
for n in (1, 2): server.group(f"bench{{n}}")
for n in (1, 2, 3): server.user(f"bencher{{n}}", group="bench1", shell="/bin/sh")
for n in range(10): files.directory(f"{ROOT}/d{{n}}", mode="750", user="bencher1", group="bench1")
for n in range(20): files.put(io.StringIO(TEXT + str(n)), f"{ROOT}/d0/f{{n}}", mode="640")
from pyinfra import host
for n in range(10): files.template(io.StringIO(TEMPLATE.replace("NAME", "host.name").replace("VALUE", "host.name")), f"{ROOT}/d1/t{{n}}", mode="644")
from pyinfra.operations import apt
for name in {PACKAGES!r}: apt.packages([name])
for name in {UNITS!r}: systemd.service(name, running=True)
for n in range(5): files.line(f"{ROOT}/d2/lines", f"line {{n}}")
""")
    ansible = {"ANSIBLE_PIPELINING": "1", "ANSIBLE_FORKS": str(len(hosts.names)), "ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_NOCOLOR": "1",
               "ANSIBLE_SSH_ARGS": f"-F {hosts.config} -o ControlMaster=auto -o ControlPersist=60s", "ANSIBLE_PYTHON_INTERPRETER": f"{PYTHON}/bin/python3",
               "ANSIBLE_DEPRECATION_WARNINGS": "0", "HOME": str(folder)}
    playbook = [str(tools / "ansible/bin/ansible-playbook"), "-i", str(folder / "inventory"), str(folder / "site.yml")]
    strategy = next((tools / "ansible").glob("lib/python*/site-packages/ansible_mitogen/plugins/strategy"))
    mitogen = dict(ansible, ANSIBLE_STRATEGY_PLUGINS=str(strategy), ANSIBLE_STRATEGY="mitogen_linear")
    inventory = folder / "hosts.py"
    write(inventory, f"hosts = {[(name, {'ssh_config_file': str(hosts.config), '_sudo': True}) for name in hosts.names]!r}\n")
    pyinfra = [str(tools / "pyinfra/bin/pyinfra"), "-y", str(inventory), str(folder / "deploy.py")]
    return [("pyinfra", pyinfra, {"HOME": str(folder)}), ("Ansible with Mitogen", playbook, mitogen), ("Ansible", playbook, ansible)]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("lions")
    arguments.add_argument("--hosts", type=int, default=10)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--latency", type=int, default=0)
    arguments.add_argument("--others", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="lb") as folder:
        folder = pathlib.Path(folder)
        os.environ["LAB_ID"], os.environ["LAB_NET"] = "bench", "10.99"
        hosts = None
        try:
            hosts = Hosts(given.hosts, folder)
            bench(given, folder, hosts)
        finally:
            subprocess.run([str(LAB), "down"], env=dict(os.environ, LAB_ID="bench", LAB_NET="10.99"), check=False)


def bench(given, folder, hosts):
    tasks = project(folder / "project", hosts)
    lions = Lions(os.path.abspath(given.lions), folder / "project")
    first = lions.run("apply", "--yes", expect=" changed")
    print(f"{tasks} tasks on {given.hosts} hosts" + (f", {given.latency} ms more a round trip" if given.latency else ""))
    for name in hosts.names if given.latency else []:
        hosts.lab("fault", "delay", name, str(given.latency))
    times = {"floor": [], "cold": [], "warm": []}
    before = None
    for _ in range(given.rounds):
        lions.cool()
        times["floor"].append(floor(hosts))
        if before is None:
            before = hosts.logins()
        times["cold"].append(lions.run("plan"))
        if given.rounds and len(times["cold"]) == 1:
            logins = (hosts.logins() - before) / given.hosts
        times["warm"].append(lions.run("plan"))
    memory = lions.memory()
    base = statistics.median(times["floor"])
    rows = [("floor", base, 1.0), ("lions, first run", first, first / base)]
    for name in ("cold", "warm"):
        ratios = [mine / ground for mine, ground in zip(times[name], times["floor"])]
        rows.append((f"lions, nothing to do, {name}", statistics.median(times[name]), statistics.median(ratios)))
    for name, command, env in others(hosts, folder / "others") if given.others else []:
        began = time.monotonic()
        done = subprocess.run(command, env=dict(os.environ, **env), cwd=folder / "others", stdin=subprocess.DEVNULL, capture_output=True, text=True)
        took = time.monotonic() - began
        if done.returncode:
            print(f"{name} failed: {(done.stderr or done.stdout)[-2000:]}", file=sys.stderr)
            continue
        if "Ansible" in name and re.search(r"changed=[1-9]", done.stdout):
            print(f"{name} changed something, so it was not measured on the same: {done.stdout[-600:]}", file=sys.stderr)
        rows.append((name, took, took / base))
    width = max(len(name) for name, *_ in rows)
    for name, seconds, ratio in rows:
        print(f"{name:{width}}  {seconds:8.2f} s  {ratio:7.2f} x floor")
    print(f"logins a host in a cold run: {logins:.1f}; lions at most {lions.peak / 1024:.0f} MB, its connections {memory / given.hosts:.1f} MB a host")


main()
