# A Rack application without gems: what Rails is to Puma, in one file. Run by:
# puma -C docs/examples/applications/rack/puma.rb
require "json"
require "uri"

health = ->(_env) { [200, { "content-type" => "text/plain" }, ["up\n"]] }

application = lambda do |env|
  query = URI.decode_www_form(env["QUERY_STRING"]).to_h
  sleep Float(query.fetch("sleep", 0))
  answer = { server: "puma", method: env["REQUEST_METHOD"], path: env["PATH_INFO"], host: env["HTTP_HOST"],
             scheme: env["HTTP_X_FORWARDED_PROTO"], client: env["HTTP_X_FORWARDED_FOR"].to_s.split(", ").last,
             request_id: env["HTTP_X_REQUEST_ID"], body_bytes: env["rack.input"].read.bytesize }
  [200, { "content-type" => "application/json" }, [JSON.generate(answer) + "\n"]]
end

map("/up") { run health }
run application
