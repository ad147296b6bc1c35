# Writes C out of ec2-instance-types.csv: the regions, and a line for each type.
BEGIN {
    FS = ","
    print "/* Made by ec2/types.awk of ec2/ec2-instance-types.csv. */"
    print "#include \"ec2/types_table.h\""
}
NR == 1 {
    print "const char *const ec2_price_regions[EC2_PRICE_REGIONS] = {"
    for (i = 11; i <= NF; i++) {
        sub(/usd_per_hour:/, "", $i)
        print "\t\"" $i "\","
    }
    print "};"
    print "const struct ec2_known_type ec2_known_types[EC2_KNOWN_TYPES] = {"
    next
}
{
    printf "\t{ \"%s\", %d, %s, %d, %d, {", $1, $2, $3, $5, $6
    for (i = 11; i <= 33; i++)
        printf " %s,", $i == "" ? "0" : $i
    print " } },"
}
END {
    print "};"
}
