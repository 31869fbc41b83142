"""Rules of the source tree that no compiler checks: which folder may include which, what pure folders
may use, file headers and sizes, scripts, packages and manual pages. Reads files; runs nothing of ours
but `--help`.
"""

import os
import re
import subprocess

import pytest

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PRODUCT = ("policies", "shardmgr", "coordinator", "proxy")
CODE = PRODUCT + ("tests",)
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70

# A folder may include itself and what is named here; the most specific entry counts.
MAY_INCLUDE = {
    "policies": (),
    "shardmgr/model": ("policies",),
    "shardmgr/plan": ("policies", "shardmgr/model"),
    "shardmgr/broker": ("policies", "shardmgr"),
    "shardmgr/program": ("policies", "shardmgr"),
    "shardmgr": ("policies",),
    "coordinator": ("policies", "shardmgr"),
    "proxy/wire": ("policies", "shardmgr/model", "shardmgr/plan", "shardmgr/broker/amqp/table.h",
                   "shardmgr/broker/amqp/types.h", "shardmgr/broker/amqp/bytes.h"),
    "proxy": ("policies", "shardmgr"),
}
PURE = ("policies", "shardmgr/model", "shardmgr/plan", "proxy/wire", "shardmgr/broker/amqp/table",
        "shardmgr/broker/amqp/frame", "shardmgr/broker/amqp/protocol", "shardmgr/broker/amqp/codec",
        "shardmgr/broker/amqp/bytes", "proxy/control/dialogue",
        "proxy/gateway/groups", "proxy/gateway/look_pace", "proxy/gateway/member", "proxy/gateway/sharing",
        "proxy/gateway/stream_map")
NOT_PURE_INCLUDE = re.compile(
    r"boost/(asio|beast)|cpprest|spdlog|prometheus/|systemd/|openssl/|sys/(socket|time|epoll|stat)|netinet/|arpa/|"
    r"^(thread|mutex|shared_mutex|condition_variable|future|filesystem|fstream|iostream|cstdlib_env|unistd\.h|ctime|"
    r"time\.h|fcntl\.h|poll\.h)$")
NOT_PURE_CALL = re.compile(r"_clock::now\s*\(|\b(std::)?(getenv|secure_getenv|gettimeofday|clock_gettime)\s*\(|"
                           r"\bstd::(cout|cerr|clog|random_device|this_thread)\b|\bLog\s*\(\s*LogLevel")
# Paths of one machine, and numbers of a tracker that readers cannot open.
NOT_OF_THE_PRODUCT = re.compile(r"/home/\w|/tmp/build|\bissues? #?\d", re.IGNORECASE)
# Issues of the broker's own projects are sources, and are cited with the project's name.
FOREIGN_ISSUE = re.compile(r"rabbitmq-[a-z-]+ (issue )?#\d|(rabbitmq|pika|cpprestsdk|beast|boost)\S* (issue|pull request) #?\d",
                           re.IGNORECASE)
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
TEXT_ENDINGS = (".h", ".cc", ".py", ".sh", ".md", ".json", ".yml", ".yaml", ".service", ".html", ".js", ".css", ".txt",
                ".1", ".conf", ".cmake")


def files(folders=("",), endings=()):
    """Paths relative to the repository, of files that git would track."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        paths = listed.stdout.splitlines()
    else:  # An unpacked archive.
        paths = [os.path.relpath(os.path.join(folder, name), ROOT)
                 for folder, _, names in os.walk(ROOT) for name in names]
        paths = [path for path in paths if not path.startswith(("build", ".git/"))]
    return sorted(path for path in set(paths) if os.path.isfile(os.path.join(ROOT, path))
                  and (not endings or path.endswith(endings))
                  and any(path.startswith(folder + "/") or not folder for folder in folders))


def read(path):
    """A file's text."""
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as text:
        return text.read()


def without_comments(text):
    """C++ text whose comments are blanked, lines kept; string literals stay."""
    def blank(match):
        piece = match.group(0)
        return re.sub(r"[^\n]", " ", piece) if piece.startswith("/") else piece
    return re.sub(r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', blank, text, flags=re.S)


def is_pure(path):
    """Whether the file belongs to pure code."""
    return any(path.startswith(prefix + "/") or re.match(re.escape(prefix) + r"(_\w+)?\.(h|cc)$", path) for prefix in PURE)


def report(problems):
    """Fails with all of them."""
    assert not problems, "\n" + "\n".join(problems)


def test_includes_follow_the_arrows():
    problems = []
    for path in files(PRODUCT, (".h", ".cc")):
        own = max((folder for folder in MAY_INCLUDE if path.startswith(folder + "/")), key=len)
        for bracket, target in INCLUDE.findall(read(path)):
            if bracket != '"':
                continue
            if target.startswith("generated/") or not target.startswith(PRODUCT):
                if not os.path.exists(os.path.join(ROOT, target)) and "/" in target:
                    continue  # Generated at build time.
                problems.append(f'{path}: "{target}" is not written from the repository root')
            elif not any(target == allowed or target.startswith(allowed.rstrip("/") + "/")
                         for allowed in (own,) + MAY_INCLUDE[own]):
                problems.append(f'{path}: {own} may not include "{target}"')
    report(problems)


def test_pure_code_uses_no_sockets_threads_clock_environment_or_logging():
    problems = []
    for path in filter(is_pure, files(PRODUCT, (".h", ".cc"))):
        text = without_comments(read(path))
        problems += [f"{path}: pure code may not include {target}" for _, target in INCLUDE.findall(text)
                     if NOT_PURE_INCLUDE.search(target)]
        problems += [f"{path}: pure code may not use {match.group(0)}" for match in NOT_PURE_CALL.finditer(text)]
    report(problems)


def test_every_source_file_opens_with_what_it_is():
    problems = []
    for path in files(CODE, (".h", ".cc")):
        if not read(path).startswith("//"):
            problems.append(f"{path}: its first line is no comment")
    for path in files(("deploy", "tests", "docs/examples"), (".py",)):
        if not re.match(r'(#!.*\n)?(#.*\n|"""|\'\'\')', read(path)):
            problems.append(f"{path}: no docstring at its top")
    for path in files(("deploy", "tests", ".ci")):
        text = read(path)
        if text.startswith("#!") and "bash" in text.splitlines()[0] and not text.splitlines()[1].startswith("#"):
            problems.append(f"{path}: its second line says nothing about it")
    report(problems)


def test_nothing_is_left_unfinished():
    problems = []
    for path in files(CODE + ("deploy",)):
        if path.startswith("tests/tidy/"):
            continue
        for number, line in enumerate(read(path).splitlines(), start=1):
            if UNFINISHED.search(line):
                problems.append(f"{path}:{number}: {line.strip()}")
    report(problems)


def test_files_stay_readable():
    problems = []
    for path in files(CODE + ("deploy",), (".h", ".cc", ".py", ".sh")):
        lines = read(path).splitlines()
        if len(lines) > MAX_FILE_LINES:
            problems.append(f"{path}: {len(lines)} lines, more than {MAX_FILE_LINES}")
        if path.endswith((".h", ".cc")):
            problems += [f"{path}:{number}: {len(line)} columns" for number, line in enumerate(lines, start=1)
                         if len(line) > 120 and 'R"' not in line]
    report(problems)


def function_lengths(text):
    """(first line, lines) of each brace block at namespace or class level that follows a parameter list."""
    code = without_comments(text)
    code = re.sub(r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'',
                  lambda match: re.sub(r"[^\n]", " ", match.group(0)), code, flags=re.S)
    stack, start = [], 0
    for position, character in enumerate(code):
        if character == "{":
            head = code[start:position]
            is_scope = re.search(r"\b(namespace|class|struct|union|enum)\b[^()]*$", head.strip()) or head.strip().startswith("extern")
            inside = any(kind == "function" for kind, _ in stack)
            kind = "other" if is_scope or inside or ")" not in head else "function"
            stack.append((kind, code.count("\n", 0, position) + 1))
            start = position + 1
        elif character == "}" and stack:
            kind, first = stack.pop()
            if kind == "function":
                yield first, code.count("\n", 0, position) + 2 - first
            start = position + 1
        elif character == ";":
            start = position + 1


def test_functions_stay_readable():
    problems = []
    for path in files(PRODUCT, (".h", ".cc")):
        problems += [f"{path}:{first}: a function of {lines} lines, more than {MAX_FUNCTION_LINES}"
                     for first, lines in function_lengths(read(path)) if lines > MAX_FUNCTION_LINES]
    report(problems)


def test_the_text_speaks_of_the_product_alone():
    problems = []
    for path in files():
        if not (path.endswith(TEXT_ENDINGS) or "." not in os.path.basename(path)) or path.startswith("tests/tidy/"):
            continue
        for number, line in enumerate(read(path).splitlines(), start=1):
            if NOT_OF_THE_PRODUCT.search(FOREIGN_ISSUE.sub("", line)):
                problems.append(f"{path}:{number}: {line.strip()[:140]}")
    report(problems)


def scripts():
    """Shell scripts: by ending or by first line."""
    return [path for path in files(("deploy", "tests", ".ci", "docs"))
            if path.endswith(".sh") or re.match(r"#!.*\b(ba)?sh\b", read(path)[:60])]


def test_shell_scripts_pass_shellcheck():
    result = subprocess.run(["shellcheck", "-x", *scripts()], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_every_package_is_explained():
    packages = subprocess.run([os.path.join(ROOT, "deploy", "setup.sh"), "--fuzz", "--bench", "--list"],
                              capture_output=True, text=True, check=True).stdout.split()
    assert len(packages) == len(set(packages)), "deploy/setup.sh names a package twice"
    explained = set(re.findall(r"^\|\s*`([^`]+)`", read("docs/dependencies.md"), re.MULTILINE))
    report([f"docs/dependencies.md does not say why {name} is needed" for name in packages if name not in explained]
           + [f"docs/dependencies.md explains {name}, which deploy/setup.sh does not install"
              for name in sorted(explained - set(packages))])


def test_every_condition_is_explained_to_operators():
    """Reasons are the only capitalised words that stand alone in a literal there."""
    reasons = set()
    for path in files(("shardmgr/plan", "coordinator"), (".cc",)):
        if os.path.dirname(path) in ("shardmgr/plan", "coordinator"):
            reasons |= set(re.findall(r'"([A-Z][a-z]+(?:[A-Z][a-z]+)+)"', without_comments(read(path))))
        if path == "shardmgr/plan/conditions.cc":
            reasons |= set(re.findall(r'"([A-Z][a-z]+)"', without_comments(read(path))))
    explained = set(re.findall(r"`([A-Z][A-Za-z]+)`", read("docs/operations.md").split("## What each condition means")[1]))
    assert len(reasons) > 20
    report([f"docs/operations.md does not explain {reason}" for reason in sorted(reasons - explained)]
           + [f"docs/operations.md explains {reason}, which nothing says" for reason in sorted(explained - reasons)])


PROGRAMS = ("warren-coordinator", "warrenctl", "warren-proxy", "warren-worker", "warren-gateway")


def options_of(program):
    """What --help shows of a program's options."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WARREN_")}
    text = subprocess.run([os.path.join(os.environ["WARREN_BIN"], program), "--help"], capture_output=True, text=True,
                          check=True, timeout=30, env=environment).stdout
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text))
    assert options
    return options


def test_every_known_option_is_of_some_program():
    known = re.findall(r'^ {4}"([a-z-]+)",$', read("shardmgr/program/known_options.cc"), re.MULTILINE)
    assert len(known) == len(set(known)), "known_options.cc names an option twice"
    offered = set().union(*(options_of(program) for program in PROGRAMS))
    report([f"known_options.cc has {name}, which no program offers" for name in known if f"--{name}" not in offered])


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_option_is_in_the_manual(program):
    page = f"docs/man/{program}.1"
    manual = read(page).replace("\\-", "-")
    options = options_of(program)
    report([f"{page} does not know {option}" for option in sorted(options) if option not in manual])


def test_every_metric_is_in_a_manual():
    """In full, or below METRICS without the prefix that the page names."""
    pages = {program: read(f"docs/man/{program}.1").replace("\\-", "-").partition(".SH METRICS")[2].partition("\n.SH ")[0]
             for program in PROGRAMS}
    told = {word if word.startswith(("warren_", "process_")) else f"{prefix}{word}"
            for page in pages.values() for prefix in re.findall(r"\bwarren_[a-z_]*_(?!\w)|\bwarren_(?!\w)", page)
            for word in re.findall(r"\b[a-z]+(?:_[a-z]+)*\b", page)}
    there = {name for path in files(("coordinator", "proxy", "shardmgr"), (".cc", ".h"))
             for name in re.findall(r'"((?:warren|process)_[a-z_]*[a-z])"', without_comments(read(path)))}
    assert len(there) > 80
    report([f"no page in docs/man has {name} below METRICS" for name in sorted(there - told)])
