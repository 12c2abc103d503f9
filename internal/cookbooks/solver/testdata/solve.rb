# Solves problems with the peers' own library, one JSON document a line:
#   {"graph": [[name, version, [[name, constraint], ...]], ...], "demands": [[name, constraint], ...]}
# and prints {"solution": {name: version}} or {"error": text} for each.
require "json"
require "solve"

$stdout.sync = true
$stdin.each_line do |line|
  problem = JSON.parse(line)
  graph = Solve::Graph.new
  problem["graph"].each do |name, version, needs|
    artifact = graph.artifact(name, version)
    needs.each { |n, c| artifact.dependency(n, c) }
  end
  begin
    puts JSON.generate(solution: Solve.it!(graph, problem["demands"]))
  rescue StandardError => e # a crash of the library is no solution, too
    puts JSON.generate(error: "#{e.class}: #{e.message}")
  end
end
