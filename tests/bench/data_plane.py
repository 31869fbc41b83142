#!/usr/bin/python3
"""Throughput, latency and CPU time of Warren's data plane beside nginx, HAProxy, Mongrel2 with a handler, and a bare AMQP
loop with the same semantics: in one run, on one machine, in turn (A B C, A B C …), medians of the rounds.

    WARREN_BIN=build/Release/bin tests/bench/data_plane.py --tools build/Release/bench

Needs what `deploy/setup.sh --bench` installs and a build with -DWARREN_BENCH=ON. Starts a cluster of one node with a
stream of two shards; every proxy has one thread. CPU times are of the measured window, from the processes' own clocks.
`--hold` starts everything and waits, for a profiler. Exits with 1 when a contender failed or answers were wrong."""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

from contenders import BareLoop, HAProxy, Mongrel2, Nginx, Setting, Warren
from support.cluster import Cluster
from support.management import ManagementApi
from support.processes import Programs, program_environment

SHARDS = 2
WARM_UP_S = 1
KINDS = {"nginx": Nginx, "haproxy": HAProxy, "mongrel2": Mongrel2, "warren": Warren, "bare": BareLoop}
ENDING = {signal.SIGINT, signal.SIGTERM}
FIGURES = ("rate", "p50_us", "p90_us", "p99_us", "max_us")


def declare(cluster, programs, exchanges):
    """Streams with two shards each, by a coordinator that ends afterwards. Returns the shards' names by exchange."""
    api = ManagementApi(cluster.management[0])
    api.define_stream("bench", {"shards-per-node": SHARDS, "routing-key": "1"}, r"^bench\.")
    coordinator = programs.coordinator(cluster)
    for exchange in exchanges:
        api.declare_exchange(exchange)
    shards = {exchange: sorted(api.wait_shards(exchange, SHARDS)) for exchange in exchanges}
    coordinator.terminate()
    return shards


def measure(contender, connections, seconds):
    """One window of one contender."""
    command = [*contender.command(connections), "--warm-up", str(WARM_UP_S), "--seconds", str(seconds)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=seconds + WARM_UP_S + 60, check=False,
                            stdin=subprocess.DEVNULL, env=program_environment())
    if not result.stdout.strip():
        raise RuntimeError(f"{contender.name} at {connections}: {result.stderr.strip()}")
    return json.loads(result.stdout)


def middle(windows):
    """The medians of a contender's windows."""
    result = {figure: statistics.median(window[figure] for window in windows) for figure in FIGURES}
    result["requests"] = sum(window["requests"] for window in windows)
    result["errors"] = sum(sum(window["errors"].values()) for window in windows)
    for kind in ("cpu_us_per_request", "counted_per_request"):
        result[kind] = {name: statistics.median(window[kind][name] for window in windows) for name in windows[0][kind]}
    return result


def table(results):
    """Lines for people; CPU in microseconds for each request."""
    lines = [f"{'':10} {'conn':>5} {'req/s':>8} {'p50 us':>8} {'p99 us':>8} {'errors':>6}  CPU us/request"]
    for connections, row in results.items():
        for name, figures in row.items():
            cpu = figures["cpu_us_per_request"]
            ours = {key: value for key, value in cpu.items() if key != "others"}
            parts = [f"{key} {value:.1f}" for key, value in sorted(ours.items(), key=lambda item: -item[1])]
            lines.append(f"{name:10} {connections:>5} {figures['rate']:8.0f} {figures['p50_us']:8.0f} "
                         f"{figures['p99_us']:8.0f} {figures['errors']:6}  {', '.join(parts)}; all {sum(ours.values()):.1f}; "
                         f"rest of the machine {cpu['others']:.1f}")
            lines += [f"{'':17}{what} {number:.1f} a request" for what, number in figures["counted_per_request"].items()]
    return "\n".join(lines)


def ratios(results):
    """Warren against the others, where they were measured."""
    lines = []
    for connections, row in results.items():
        for name in (name for name in row if name.startswith("warren")):
            warren, bare, nginx = row[name], row.get("bare"), row.get("nginx")
            if bare:
                lines.append(f"{name} at {connections}: {warren['rate'] / bare['rate']:.2f} of the bare loop's throughput, "
                             f"p50 {(warren['p50_us'] - bare['p50_us']) / 1000:+.3f} ms")
            if nginx:
                own, theirs = (row[which]["cpu_us_per_request"]["proxy"] for which in (name, "nginx"))
                lines.append(f"{name} at {connections}: proxy CPU {own / theirs:.2f} of nginx's "
                             f"({own:.1f} and {theirs:.1f} us a request)")
    return "\n".join(lines)


def rounds(chosen, options):
    """Everything in turn; returns medians by connections and contender."""
    windows = {}
    for number in range(options.rounds):
        for connections in options.connections:
            for name, contender in chosen.items():
                window = measure(contender, connections, options.seconds)
                windows.setdefault(connections, {}).setdefault(name, []).append(window)
                print(f"round {number + 1}, {connections} connections, {name}: {window['rate']:.0f}/s, "
                      f"p50 {window['p50_us']:.0f} us {window['errors'] or ''}", file=sys.stderr, flush=True)
    return {connections: {name: middle(found) for name, found in row.items()} for connections, row in windows.items()}


def hold(chosen):
    """Says how to load each contender, and waits for the end."""
    for name, contender in chosen.items():
        print(f"{name}: {contender.groups}\n  {' '.join(map(repr, contender.command(256)))}", flush=True)
    print("everything runs; end with Ctrl-C or SIGTERM", flush=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # Not before: children would inherit it.
    signal.sigwait(ENDING)


def options_of(arguments):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", required=True, help="folder with the bench programs, as build/Release/bench")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--also", metavar="FOLDER", help="measure the Warren programs of this folder too, as warren-also")
    parser.add_argument("--connections", nargs="+", type=int, default=[1, 32, 256])
    parser.add_argument("--seconds", type=float, default=8, help="length of a window")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=256, help="of warren-worker")
    parser.add_argument("--allocations", action="store_true", help="count those of Warren's programs, which slows them")
    parser.add_argument("--json", help="write the medians to this file")
    parser.add_argument("--hold", action="store_true", help="start everything and wait")
    return parser.parse_args(arguments)


def main(arguments):
    """Returns the exit code."""
    options = options_of(arguments)
    folder = tempfile.mkdtemp(prefix="warren-bench-")
    cluster, programs = Cluster(1), Programs(folder)
    try:
        exchanges = ["bench.warren", "bench.bare"] + (["bench.also"] if options.also else [])
        shards = declare(cluster, programs, exchanges)
        setting = Setting(folder, os.path.abspath(options.tools), cluster, programs, options)
        setting.shards = shards.__getitem__
        chosen = {name: KINDS[name](setting) for name in options.only}
        if options.also:
            chosen["warren-also"] = Warren(setting, "warren-also", "bench.also", os.path.abspath(options.also))
        if options.hold:
            hold(chosen)
            return 0
        results = rounds(chosen, options)
        print(table(results), ratios(results), sep="\n")
        if options.json:
            with open(options.json, "w", encoding="utf-8") as output:
                json.dump(results, output, indent=1)
        return int(any(figures["errors"] for row in results.values() for figures in row.values()))
    finally:
        programs.end()
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
