// What anybody who may publish to the control exchange, or to a consumer's inbox, can have said: any bytes as a hello
// and as an assignment.
//
// Rules: no crash; what is accepted is within its limits, and is the same when it is written and read again (bytes that
// are not UTF-8 apart: they are replaced once, and stay as they are then).
#include "shardmgr/model/assignment.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/targets.h"

namespace warren::fuzz {
namespace {

constexpr std::size_t kLongestName = 255;

void CheckName(const std::string& name) {
  Require(!name.empty() && name.size() <= kLongestName, "a name has 1 to 255 bytes: ", name);
}

void CheckNames(const std::vector<std::string>& names) {
  Require(names.size() <= kMaxAssignedShards, "no more names than are allowed");
  for (const std::string& name : names) CheckName(name);
}

template <class Message, class Read>
void CheckJourney(const Message& message, Read read) {
  const auto once = read(Encode(message));
  if (!once) return;  // A replaced byte takes three: a name may have become too long.
  const auto twice = read(Encode(*once));
  Require(twice.has_value() && *twice == *once, "what was written is read as it was");
}

}  // namespace

void ControlMessages(std::string_view bytes) {
  if (const auto hello = ReadHello(bytes)) {
    CheckName(hello->exchange);
    CheckName(hello->instance);
    CheckName(hello->kind);
    CheckNames(hello->holds);
    CheckJourney(*hello, ReadHello);
  } else {
    Require(!hello.error().message.empty() && hello.error().code == ErrorCode::kInvalid, "a refusal says why");
  }
  if (const auto assignment = ReadAssignment(bytes)) {
    CheckName(assignment->exchange);
    CheckName(assignment->instance);
    CheckNames(assignment->shards);
    CheckNames(assignment->local);
    Require(assignment->number.term >= 0, "a term is a time");
    CheckJourney(*assignment, ReadAssignment);
  } else {
    Require(!assignment.error().message.empty(), "a refusal says why");
  }
}

}  // namespace warren::fuzz
