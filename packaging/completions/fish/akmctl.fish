# fish completion for akmctl(1). akmctl itself says what can come next: its commands and options, and
# the names of nodes and relationships that the daemons on the bus know.
function __akmctl_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines ($words[1] __complete $words[2..-1] 2>/dev/null)
    switch "$lines[1]"
        case :files
            __fish_complete_path (commandline -ct)
        case :hosts
            __fish_print_hostnames
    end
    if test (count $lines) -gt 1
        printf '%s\n' $lines[2..-1]
    end
end
complete -c akmctl -f -a '(__akmctl_complete)'
