// The messages of assignment.h as JSON, and back.
#include "shardmgr/model/assignment.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "policies/json.h"

namespace warren {
namespace {

using nlohmann::json;

constexpr std::uint64_t kLargestNumber = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kMaxNameBytes = 255;  // Of an AMQP short string: names of queues, exchanges and nodes.

/// Reads the members of one message; the first fault is kept, and what is read after it counts for nothing.
class Reader {
 public:
  Reader(std::string_view body, std::string_view what) : what_(what) { Parse(body); }

  std::string Name(const char* member) {
    const json value = object_.value(member, json());
    if (!IsName(value)) {
      Blame(std::string("needs \"") + member + "\": a string of 1 to 255 bytes, not " + JsonForMessage(value));
      return {};
    }
    return value.get<std::string>();
  }

  std::string NameOr(const char* member, const char* otherwise) {
    const auto found = object_.find(member);
    if (found == object_.end() || (found->is_string() && found->get_ref<const std::string&>().empty())) {
      return otherwise;
    }
    return Name(member);
  }

  std::vector<std::string> Names(const char* member) {
    std::vector<std::string> names;
    const auto found = object_.find(member);
    if (found == object_.end()) return names;
    if (!found->is_array() || found->size() > kMaxAssignedShards) {
      Blame(std::string("\"") + member + "\" has to be an array of at most " + std::to_string(kMaxAssignedShards) +
            " names of queues");
      return names;
    }
    for (const json& value : *found) {
      if (!IsName(value)) {
        Blame(std::string("\"") + member + "\" holds " + JsonForMessage(value) + ", which is no name of a queue");
        return {};
      }
      names.push_back(value.get<std::string>());
    }
    return names;
  }

  std::uint64_t NumberOr(const char* member, std::uint64_t otherwise) {
    return object_.contains(member) ? Number(member) : otherwise;
  }

  std::uint64_t Number(const char* member) {
    const auto found = object_.find(member);
    if (found == object_.end() || !found->is_number_integer() || *found < 0 || *found > kLargestNumber) {
      Blame(std::string("needs \"") + member + "\": a whole number from 0 to 2^63 - 1");
      return 0;
    }
    return found->get<std::uint64_t>();
  }

  template <class T>
  Result<T> Finish(T message) {
    if (!fault_.empty()) return Fail(ErrorCode::kInvalid, fault_, std::string(what_));
    return message;
  }

 private:
  static bool IsName(const json& value) {
    if (!value.is_string()) return false;
    const std::size_t bytes = value.get_ref<const std::string&>().size();
    return bytes > 0 && bytes <= kMaxNameBytes;
  }

  void Parse(std::string_view body) {
    if (body.size() > kMaxControlBytes) {
      return Blame("has " + std::to_string(body.size()) + " bytes; at most " + std::to_string(kMaxControlBytes) +
                   " are read");
    }
    auto parsed = ParseJson(body, what_, JsonRules::kForeign);
    if (!parsed) return Blame(parsed.error().message);
    if (!parsed->is_object()) return Blame("is no JSON object");
    object_ = std::move(*parsed);
  }

  void Blame(std::string fault) {
    if (fault_.empty()) fault_ = std::move(fault);
  }

  std::string_view what_;
  json object_ = json::object();
  std::string fault_;
};

std::string Line(const json& object) { return object.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace

std::string Encode(const Hello& hello) {
  return Line({{"exchange", hello.exchange},
               {"instance", hello.instance},
               {"kind", hello.kind},
               {"holds", hello.holds},
               {"term", hello.term}});
}

std::string Encode(const Assignment& assignment) {
  return Line({{"exchange", assignment.exchange},
               {"instance", assignment.instance},
               {"node", assignment.node},
               {"term", assignment.number.term},
               {"sequence", assignment.number.sequence},
               {"shards", assignment.shards},
               {"local", assignment.local}});
}

Result<Hello> ReadHello(std::string_view body) {
  Reader reader(body, kHelloType);
  Hello hello;
  hello.exchange = reader.Name("exchange");
  hello.instance = reader.Name("instance");
  hello.kind = reader.NameOr("kind", "worker");
  hello.holds = reader.Names("holds");
  hello.term = static_cast<std::int64_t>(reader.NumberOr("term", 0));
  return reader.Finish(std::move(hello));
}

Result<Assignment> ReadAssignment(std::string_view body) {
  Reader reader(body, kAssignmentType);
  Assignment assignment;
  assignment.exchange = reader.Name("exchange");
  assignment.instance = reader.Name("instance");
  assignment.node = reader.NameOr("node", "");
  assignment.number.term = static_cast<std::int64_t>(reader.Number("term"));
  assignment.number.sequence = reader.Number("sequence");
  assignment.shards = reader.Names("shards");
  assignment.local = reader.Names("local");
  return reader.Finish(std::move(assignment));
}

}  // namespace warren
