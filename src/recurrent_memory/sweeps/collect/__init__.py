"""One labelled data set of a whole sweep."""
