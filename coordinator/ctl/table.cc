// Rendering of tables.
#include "coordinator/ctl/table.h"

#include "coordinator/ctl/printable.h"

namespace warren::ctl {
namespace {

std::string Text(const nlohmann::json& cell) {
  if (cell.is_null()) return {};
  if (cell.is_string()) return cell.get<std::string>();
  return cell.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string RenderAligned(const Table& table) {
  std::vector<std::vector<std::string>> lines = {table.columns};
  for (const auto& row : table.rows) {
    std::vector<std::string>& line = lines.emplace_back();
    for (const auto& cell : row) line.push_back(Printable(Text(cell)));
  }
  std::vector<std::size_t> widths(table.columns.size(), 0);
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], Width(line[i]));
  }
  std::string text;
  for (const auto& line : lines) {
    std::string padded;
    for (std::size_t i = 0; i < line.size(); ++i) {
      padded += line[i];
      padded.append(widths[i] - Width(line[i]) + 2, ' ');
    }
    padded.erase(padded.find_last_not_of(' ') + 1);
    text += padded + "\n";
  }
  return text;
}

std::string RenderJson(const Table& table) {
  nlohmann::ordered_json array = nlohmann::ordered_json::array();
  for (const auto& row : table.rows) {
    nlohmann::ordered_json object = nlohmann::ordered_json::object();
    for (std::size_t i = 0; i < row.size(); ++i) object[table.columns[i]] = row[i];
    array.push_back(std::move(object));
  }
  return array.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char character : text) {
    if (character == '"') quoted += '"';
    quoted += character;
  }
  return quoted + "\"";
}

template <class Cells, class ToText>
std::string CsvLine(const Cells& cells, ToText to_text) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += ',';
    line += CsvField(to_text(cells[i]));
  }
  return line + "\n";
}

}  // namespace

std::optional<Format> ParseFormat(std::string_view name) {
  if (name == "table") return Format::kTable;
  if (name == "json") return Format::kJson;
  if (name == "csv") return Format::kCsv;
  return std::nullopt;
}

std::string Render(const Table& table, Format format) {
  if (format == Format::kJson) return RenderJson(table);
  if (format == Format::kTable) return RenderAligned(table);
  std::string text = CsvLine(table.columns, [](const std::string& name) { return name; });
  for (const auto& row : table.rows) text += CsvLine(row, Text);
  return text;
}

}  // namespace warren::ctl
