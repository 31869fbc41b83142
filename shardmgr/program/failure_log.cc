// Which failures are news.
#include "shardmgr/program/failure_log.h"

#include "shardmgr/program/logging.h"

namespace warren::program {

void FailureLog::Note(std::string_view message, const std::string& what, const Error& error, bool lost) {
  const std::string reason = error.ToString();
  std::string& last = last_[what];
  const bool news = lost || last != reason;
  last = reason;
  Log(news ? LogLevel::kWarning : LogLevel::kDebug, message, error, {{"endpoint", what}});
}

}  // namespace warren::program
