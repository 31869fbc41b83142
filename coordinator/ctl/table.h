// Table: rows for people and programs, as aligned text, JSON or CSV. Pure; no thread rules.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace warren::ctl {

enum class Format { kTable, kJson, kCsv };

/// "table", "json" or "csv".
std::optional<Format> ParseFormat(std::string_view name);

/// Columns and rows of the same length. Cells are JSON values: null is unknown, and shown as nothing.
struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<nlohmann::json>> rows;
};

/// With a newline at the end of each line.
///   table: columns padded to the widest cell, two blanks between, a header line; control characters escaped
///   json:  an array with one object for each row, keys in the order of the columns
///   csv:   RFC 4180 with a header, except that lines end with LF alone
std::string Render(const Table& table, Format format);

}  // namespace warren::ctl
