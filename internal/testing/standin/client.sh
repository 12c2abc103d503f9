#!/bin/sh
# The stand-in for Cinc Client. It takes the client's options, finds the
# recipes of the run list in the cookbooks that were sent, and of Ruby knows
# only these, each on lines of its own:
#
#   file 'PATH' do          writes the file, unless it is so already
#     content "TEXT"        \n is a line's end
#     mode '0644'
#   end
#   log 'TEXT'              prints
#   sleep SECONDS           waits
#   await 'PATH'            waits until there is such a file
#   raise 'TEXT'            fails the run
#   exit! STATUS            ends the client with a status
#
# Everything else in a recipe is passed over.
version=18.0.0
set -u
case ${1:-} in
-v | --version)
	echo "Cinc Client: $version (a stand-in)"
	exit 0
	;;
esac
echo "This is not Cinc Client but a stand-in, a shell script: it knows the resource file and little else."
config= json=
while [ $# -gt 0 ]; do
	case $1 in
	--config) config=$2 && shift ;;
	--json-attributes) json=$2 && shift ;;
	--log_level | --chef-zero-port | --chef-zero-host | --logfile) shift ;;
	esac
	shift
done
[ -r "$config" ] || { echo "FATAL: cannot read the configuration $config" >&2; exit 1; }
[ -z "$json" ] || [ -r "$json" ] || { echo "FATAL: cannot read the attributes $json" >&2; exit 1; }
cookbooks=${config%/*}/cookbooks
node=$(sed -n 's/^node_name "\(.*\)"$/\1/p' "$config")
recipes=$(sed -n 's/.*"run_list":\["\(.*\)"\].*/\1/p' "$json" | sed 's/","/\n/g; s/recipe\[\([^]]*\)\]/\1/g')
echo "Starting the stand-in of Cinc Client, version $version, on ${node:-this machine}"
echo "resolving cookbooks for run list:" $recipes
changed=0 total=0
for recipe in $recipes; do
	case $recipe in
	*::*) file=$cookbooks/${recipe%%::*}/recipes/${recipe##*::}.rb ;;
	*) file=$cookbooks/$recipe/recipes/default.rb ;;
	esac
	[ -r "$file" ] || { echo "FATAL: there is no recipe $recipe ($file)" >&2; exit 1; }
	echo "Recipe: $recipe"
	path= content= mode=
	while IFS= read -r line || [ -n "$line" ]; do
		word=$(printf '%s' "$line" | sed "s/^[[:space:]]*//; s/[[:space:]].*//")
		text=$(printf '%s' "$line" | sed "s/^[[:space:]]*[a-z!]*[[:space:]]*['\"]\{0,1\}//; s/['\"]\{0,1\}\([[:space:]]*do\)\{0,1\}[[:space:]]*$//")
		case $word in
		file) path=$text ;;
		content) content=$text ;;
		mode) mode=$text ;;
		log) echo "  * log[$text]" ;;
		sleep) sleep "$text" ;;
		await) until [ -e "$text" ]; do sleep 0.05; done ;;
		'exit!') exit "$text" ;;
		raise)
			echo "================================================================================"
			echo "Recipe Compile Error in $file"
			echo "RuntimeError: $text"
			echo "FATAL: Stacktrace dumped to ${config%/*}/cache/stacktrace.out" >&2
			exit 1
			;;
		end)
			[ -n "$path" ] || continue
			total=$((total + 1))
			want=$(printf '%b' "$content")
			if [ -f "$path" ] && [ "$(cat "$path")" = "$want" ]; then
				echo "  * file[$path] action create (up to date)"
			else
				printf '%b' "$content" >"$path" || { echo "FATAL: file[$path]: cannot be written" >&2; exit 1; }
				[ -z "$mode" ] || chmod "$mode" "$path"
				changed=$((changed + 1))
				echo "  * file[$path] action create"
				echo "    - create new file $path"
			fi
			path= content= mode=
			;;
		esac
	done <"$file"
done
mkdir -p "${config%/*}/nodes" && echo "{\"name\":\"$node\"}" >"${config%/*}/nodes/$node.json"
echo "Infra Phase complete, $changed/$total resources updated (by the stand-in)"
