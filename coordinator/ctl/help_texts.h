// What 'warrenctl COMMAND --help' says beyond usage and summary, for the commands that need more words.
#pragma once

#include <string_view>

namespace warren::ctl {

inline constexpr std::string_view kSetParameterHelp =
    "COMPONENT is stream-definition (NAME is the definition's name, VALUE its JSON object) or stream (NAME is a key\n"
    "of a definition, VALUE the JSON value that holds wherever a definition leaves the key out). VALUE is checked\n"
    "before anything is written. Parameters hold for the whole cluster.\n\n"
    "  warrenctl set_parameter stream-definition my_stream \\\n"
    "    '{\"local-username\": \"guest\", \"shards-per-node\": 2, \"routing-key\": \"1234\"}'\n"
    "  warrenctl set_parameter stream routing-key '\"4321\"'\n";
inline constexpr std::string_view kSetPolicyHelp =
    "Exchanges of the virtual host (--vhost) whose name matches PATTERN (PCRE2, unanchored) become streams.\n"
    "DEFINITION is a JSON object that names a stream definition. Of several policies that match, the one with the\n"
    "highest --priority holds, then the smallest name.\n\n"
    "  warrenctl set_policy my_stream \"^shard\\.\" '{\"stream-definition\": \"my_stream\"}'\n";
inline constexpr std::string_view kClearPolicyHelp =
    "Its exchanges keep their shards, which are not looked after any more; 'warrenctl delete_stream' removes them.\n";
inline constexpr std::string_view kListShardsHelp =
    "Rates and consumers are up to one statistics interval (5 s) old.\n";
inline constexpr std::string_view kStatusHelp =
    "For each stream: its state, its conditions, and the shards that drain with what is still in them. With --watch\n"
    "it is shown again after each --interval until Ctrl-C, in place on a terminal. Without --coordinator it is what\n"
    "one look at the brokers shows: since when something holds is then known only for what began while watching.\n"
    "With --coordinator it is what the coordinator knows, with the time since when.\n\n"
    "json: one object with observed_at_ms, source, error (why it is no newer, or null), streams and problems. csv: a\n"
    "row for each condition and, with the state problem, for each parameter that is wrong. Both warn on standard\n"
    "error.\n";
inline constexpr std::string_view kListAssignmentsHelp =
    "A consumer gets the shards of the node it is connected to (local), and a share of those on nodes without a\n"
    "consumer. json and csv name them (queues). Shards that nobody consumes are told of on standard error.\n";
inline constexpr std::string_view kEventsHelp =
    "What the coordinator heard and did, oldest first. It keeps the latest ones in memory, since its start.\n";
inline constexpr std::string_view kPlanHelp =
    "Deletions are never part of it: a shard is deleted only after two looks that show it empty and unused, and plan\n"
    "looks once. The share of keys that move is a range where the order of the ring is not known.\n";
inline constexpr std::string_view kApplyHelp =
    "Observes, plans and applies through the management API until nothing is left to do or nothing gets done. It\n"
    "waits (at most --timeout) for shards that may be deleted after a second look, and not for consumers.\n"
    "Exit code 0: every stream is ready and nothing drains. 3: only part could be done, or a drain waits for\n"
    "consumers; standard error says what and why. 75: the time was up.\n";
inline constexpr std::string_view kDrainNodeHelp =
    "The coordinator then unbinds the node's shards, waits until they are empty and unused, and deletes them;\n"
    "nothing is placed there until undrain_node. An exchange always keeps one bound shard. --wait waits until no\n"
    "shard is left there, at most --timeout: then the exit code is 75, and the drain goes on. It is 3 when what is\n"
    "left will not go: orphaned, retained, down, of a stream for which nothing can be done, or the last shard of its\n"
    "exchange. A drain takes in all virtual hosts. Without a coordinator, 'warrenctl apply' does the work.\n";
inline constexpr std::string_view kPurgeStreamHelp =
    "The exchange is that of the virtual host of --vhost. Messages that are ready are dropped; those that consumers\n"
    "hold unacknowledged stay.\n";
inline constexpr std::string_view kDeleteStreamHelp =
    "The exchange, there or gone, is that of the virtual host of --vhost. Its shards are unbound; each is deleted\n"
    "once two looks, a statistics interval apart, show it empty and unused. --purge drops messages that are ready;\n"
    "without it somebody has to consume them. At most --timeout: then the exit code is 75, and doing it again goes\n"
    "on. The exchange itself stays.\n";
inline constexpr std::string_view kExportHelp =
    "warren: one JSON object of parameters, as files of --policies-dir are, and as import reads. definitions: a\n"
    "definitions file of RabbitMQ with these parameters alone, for 'rabbitmqctl import_definitions'. With --vhost\n"
    "only the policies of that virtual host. Drained nodes are no settings, and not part of it. What is not valid is\n"
    "left out with a warning, and the exit code is 3; definitions keeps it.\n";
inline constexpr std::string_view kImportHelp =
    "FILE has either shape that export writes; of a larger definitions file of RabbitMQ only Warren's parameters are\n"
    "taken, without drained nodes. Everything is checked before anything is written. What is in the broker and not in\n"
    "the file stays. --dry-run says what would be created or changed.\n";
inline constexpr std::string_view kCompletionHelp =
    "  bash: source <(warrenctl completion bash), or write it to /etc/bash_completion.d/warrenctl\n"
    "  zsh:  warrenctl completion zsh > \"${fpath[1]}/_warrenctl\"\n"
    "  fish: warrenctl completion fish > ~/.config/fish/completions/warrenctl.fish\n";

}  // namespace warren::ctl
